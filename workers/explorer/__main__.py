"""`python -m workers.explorer`: one exploration, JSON in and JSON out, as docs/architecture.md describes it."""

from __future__ import annotations

import sys

from workers.exploration import ExplorationEvent, ExplorationOutcome, ExplorationSpec
from workers.explorer.explore import explore
from workers.supervisor import Asker, BadSpec, Teller, die_with_whoever_asked, lead_own_session

OK, BAD_SPEC = 0, 2  # exit codes


def main() -> int:
    """Be an exploration from its spec to its outcome. Exit code 0 when one was told, 2 for a spec that is none."""
    asker = Asker()
    tell = Teller(asker)
    lead_own_session()
    die_with_whoever_asked()
    code = OK
    try:
        spec = asker.spec(ExplorationSpec)
        if spec is None:
            outcome = ExplorationOutcome(status="cancelled", reason=asker.cancelled() or "cancelled before it began")
        else:
            outcome = explore(spec, asker.cancelled, tell)
    except BadSpec as error:
        code, outcome = BAD_SPEC, ExplorationOutcome(status="failed", reason=f"not an exploration: {error}")
    tell(ExplorationEvent(event="outcome", outcome=outcome))
    return code


if __name__ == "__main__":
    sys.exit(main())
