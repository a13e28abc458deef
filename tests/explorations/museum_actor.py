"""Acts as `python -m workers.explorer.museum`: the number of seeds says how it ends."""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.explorations.made import made_exhibit
from workers.exploration import MuseumSpec

KEEPS, MISSES, DIES, WAITS = range(1, 5)
PATIENCE_SECONDS = 60


def main() -> int:
    """One exhibit."""
    spec = MuseumSpec.model_validate_json(sys.stdin.readline())
    (number,) = spec.numbers or []
    if spec.seeds == WAITS:
        time.sleep(PATIENCE_SECONDS)
    if spec.seeds == DIES:
        sys.stderr.write("the museum burns\n")
        return 1
    print(made_exhibit(number, found=spec.seeds == KEEPS).model_dump_json(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
