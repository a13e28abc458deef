"""`python -m workers`: the supervisor of one run, as docs/architecture.md describes it."""

from __future__ import annotations

import argparse
import math
import sys

from workers.supervisor import main


def positive_seconds(text: str) -> float:
    """A number of seconds above 0."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    parser.add_argument(
        "--deadline-seconds", type=positive_seconds, help="end the run as timed_out this long after its start"
    )
    parser.add_argument(
        "--journal", metavar="FILE", help="take the spec from the first line of FILE and append the events to it"
    )
    parser.add_argument(
        "--die-with-parent", action="store_true", help="with --journal: end as cancelled when whoever started it ends"
    )
    arguments = parser.parse_args()
    sys.exit(main(arguments.deadline_seconds, journal=arguments.journal, outlives=not arguments.die_with_parent))
