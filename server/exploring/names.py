"""What can be explored: protocols of the catalogue and of the museum, in the races; and what would be right instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from server.config import Settings
from server.errors import Fault, ProblemError
from workers.catalogue import PROTOCOLS, SCENARIOS
from workers.exhibits import EXHIBITS
from workers.exploration import ExplorationSpec
from workers.races import RACES, Race, Step


def known_protocols() -> list[str]:
    """Names that an exploration may give: the catalogue's, then the museum's."""
    of_museum = (name for exhibit in EXHIBITS.values() for name in (exhibit.variant, exhibit.fixed))
    return list(dict.fromkeys([*PROTOCOLS, *of_museum]))


def is_external(protocol: str) -> bool:
    """True for a protocol of a file outside the tree."""
    return ":" in protocol


def wrong_protocol(protocol: str) -> str | None:
    """What is wrong with the name of a protocol; None where it is known, or a file's."""
    known = known_protocols()
    if protocol in known or is_external(protocol):
        return None
    return f"there is no protocol {protocol!r}{_guess(protocol, known)}; there are: {', '.join(known)}"


def wrong_scenario(scenario: str) -> str | None:
    """What is wrong with the name of a race; None where it is known."""
    if scenario in RACES:
        return None
    races = f"races are: {', '.join(RACES)}"
    if scenario in SCENARIOS:
        return f"{scenario} is a workload of run and compare, too large to explore; {races}"
    return f"there is no race {scenario!r}{_guess(scenario, list(RACES))}; {races}"


def _guess(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f", did you mean {close[0]}?" if close else ""


def faults_of(spec: ExplorationSpec, settings: Settings) -> Iterator[Fault]:
    """What a server does not explore, though the spec parses."""
    if is_external(spec.protocol):
        sentence = "a protocol outside the tree is explored by the command line only: swaprace explore FILE.pyx:Class"
        yield Fault(pointer="#/protocol", detail=sentence)
    wrong = wrong_protocol(spec.protocol)
    if wrong is not None:
        yield Fault(pointer="#/protocol", detail=wrong)
    wrong = wrong_scenario(spec.scenario)
    if wrong is not None:
        yield Fault(pointer="#/scenario", detail=wrong)
    if spec.seconds is not None and spec.seconds > settings.max_exploration_seconds:
        most = f"this server explores up to {settings.max_exploration_seconds:g} s"
        yield Fault(pointer="#/seconds", detail=most)
    if spec.jobs > settings.max_cpus:
        yield Fault(pointer="#/jobs", detail=f"this server explores with up to {settings.max_cpus} processes")


def refuse_unserved(spec: ExplorationSpec, settings: Settings) -> None:
    """Raise ProblemError for a spec that this server does not explore."""
    faults = list(faults_of(spec, settings))
    if faults:
        raise ProblemError(422, "invalid", "The exploration cannot be made; see errors.", faults)


def race_told(race: Race) -> dict[str, Any]:
    """Name, sentence, number of CPUs, the steps before, those of each CPU, and what its machine has."""
    return {
        "name": race.name,
        "sentence": race.sentence,
        "cpus": len(race.race),
        "before": list(map(step_text, race.before)),
        "steps": [list(map(step_text, steps)) for steps in race.race],
        "fields": race.fields,
    }


def step_text(step: Step) -> str:
    """A step as it is called: load(0, 0)."""
    name, *arguments = step
    return f"{name}({', '.join(map(str, arguments))})"
