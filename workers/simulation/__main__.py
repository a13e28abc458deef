"""`python -m workers.simulation`: one simulation, as docs/simulation.md describes it."""

from __future__ import annotations

import sys

from workers.simulation.session import main

if __name__ == "__main__":
    sys.exit(main())
