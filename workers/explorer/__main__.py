"""`python -m workers.explorer`: one exploration, JSON in and JSON out, as docs/architecture.md describes it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from workers.exploration import ExplorationEvent, ExplorationOutcome, ExplorationSpec
from workers.explorer.explore import explore
from workers.supervisor import Asker, BadSpec, Teller, die_with_whoever_asked, lead_own_session

OK, BAD_SPEC = 0, 2  # exit codes


def within(cancelled: Callable[[], str | None], deadline_seconds: float | None) -> Callable[[], str | None]:
    """`cancelled`, and after so many seconds from now a cancel of its own."""
    if deadline_seconds is None:
        return cancelled
    until = time.monotonic() + deadline_seconds
    return lambda: cancelled() or ("the deadline has passed" if time.monotonic() >= until else None)


def main() -> int:
    """Be an exploration from its spec to its outcome. Exit code 0 when one was told, 2 for a spec that is none."""
    parser = argparse.ArgumentParser(prog="python -m workers.explorer", description=str(__doc__).splitlines()[0])
    parser.add_argument("--deadline-seconds", type=float, help="cancel the exploration this long after its start")
    deadline_seconds = parser.parse_args().deadline_seconds
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
            outcome = explore(spec, within(asker.cancelled, deadline_seconds), tell)
    except BadSpec as error:
        code, outcome = BAD_SPEC, ExplorationOutcome(status="failed", reason=f"not an exploration: {error}")
    tell(ExplorationEvent(event="outcome", outcome=outcome))
    return code


if __name__ == "__main__":
    sys.exit(main())
