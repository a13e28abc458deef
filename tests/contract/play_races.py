"""`python -m tests.contract.play_races PROTOCOL`: every race once on real CPUs, a JSON line each.

A program of its own, small as it is: each play forks its CPUs, and a fork costs what its parent weighs.
"""

from __future__ import annotations

import json
import sys

from workers.executors import script
from workers.executors.script import Machine, Unsound
from workers.explorer.arena import spec_of
from workers.races import RACES

PATIENCE_NS = 20_000_000_000  # the null protocol may never come to its end


def played(protocol: str, name: str) -> dict[str, object]:
    """Race, how it ended, what it broke."""
    race = RACES[name]
    machine = Machine(spec_of(protocol, race).model_copy(update={"executor": "processes", "laws": "at_rest"}))
    try:
        if race.before:
            machine.play_soundly({0: race.before})
        one = machine.play(dict(enumerate(race.race)))[0]
    except Unsound as unsound:
        return {"race": name, "verdict": f"its first steps: {unsound}", "violations": []}
    return {"race": name, "verdict": one.verdict, "violations": one.violations}


def main() -> None:
    """All races of the protocol that the command line names."""
    vars(script)["PATIENCE_NS"] = PATIENCE_NS
    for name in RACES:
        print(json.dumps(played(sys.argv[1], name)), flush=True)


if __name__ == "__main__":
    main()
