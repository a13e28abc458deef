"""Acts as `python -m workers.explorer`: the seed of the spec says how it ends."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.explorations.made import made_exploration, made_finding
from workers.exploration import ExplorationEvent, ExplorationOutcome, ExplorationSpec

FINDS, CLEAN, WAITS, DIES, BABBLES, DEAF, FAILS = range(1, 8)
PATIENCE_SECONDS = 60


def say(event: ExplorationEvent) -> None:
    """Say one event."""
    sys.stdout.write(event.model_dump_json(exclude_none=True) + "\n")
    sys.stdout.flush()


def end(outcome: ExplorationOutcome) -> None:
    """Say the last event."""
    say(ExplorationEvent(event="outcome", outcome=outcome))


def main() -> None:
    """One exploration."""
    spec = ExplorationSpec.model_validate_json(sys.stdin.readline())
    say(ExplorationEvent(event="progress", schedules=10, seconds=0.1, strategy="random"))
    if spec.seed == DEAF:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(PATIENCE_SECONDS)
    elif spec.seed == WAITS:
        line = sys.stdin.readline()
        end(made_exploration(status="cancelled").model_copy(update={"reason": f"told {line.strip() or 'nothing'}"}))
    elif spec.seed == DIES:
        sys.stderr.write("something broke\n")
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGSEGV)
    elif spec.seed == BABBLES:
        print("no event at all", flush=True)
    elif spec.seed == FAILS:
        end(made_exploration(status="failed").model_copy(update={"reason": "the scenario cannot be played"}))
    else:
        end(made_exploration(*([made_finding()] if spec.seed == FINDS else [])))


if __name__ == "__main__":
    main()
