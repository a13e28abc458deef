"""A visit to one exhibit: each strategy on the bug, many seeds of one, and the counterpart without it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from server.exploring.child import Explorer, ExplorerError
from server.exploring.texts import covered
from server.museum.record import CHECKOUT, STRATEGIES, Counterpart, Played, Search, Seeds, Told
from workers.exhibits import Exhibit
from workers.exploration import ExplorationFinding, ExplorationOutcome, ExplorationSpec, Strategy

MARGIN_SECONDS = 120.0  # to make the machine, to shrink and to draw
COUNTERPART_SCHEDULES = 1_000_000
COUNTERPART_SECONDS = 3_600.0
SURE: tuple[Strategy, ...] = ("pct", "bound")  # every seed of one of them is to find the bug
LOOK_SECONDS = 0.2
NO_STEP = re.compile(r"#|pass$|cdef class\b|def __cinit__|self\.name\b")
PROTOCOLS = CHECKOUT / "workers" / "protocols"


class Interrupted(Exception):
    """The visit was ended from outside."""


class Visit:
    """How exhibits are played. `is_stopping` ends a visit with Interrupted; `on_step` is told what is played."""

    def __init__(
        self,
        *,
        seconds: float,
        seeds: int,
        is_stopping: Callable[[], bool] = lambda: False,
        on_step: Callable[[str], None] = lambda _step: None,
    ) -> None:
        self._seconds = seconds
        self._seeds = seeds
        self._is_stopping = is_stopping
        self._on_step = on_step

    def play(self, exhibit: Exhibit) -> Played:
        """Play one exhibit. Raises ExplorerError for an exploration that fails, Interrupted."""
        searches, found = [], []
        for strategy in STRATEGIES:
            self._on_step(strategy)
            outcome = self._explore(exhibit, exhibit.variant, strategy=strategy, seconds=self._seconds)
            searches.append(_search(strategy, exhibit, outcome))
            found += _by_its_laws(exhibit, outcome)
        return Played(
            number=exhibit.number,
            variant=exhibit.variant,
            race=exhibit.race,
            variant_lines=lines_of(exhibit.variant),
            searches=searches,
            seeds=self._all_seeds(exhibit, [each.strategy for each in searches if each.found]),
            counterpart=self._counterpart(exhibit),
            told=_told(found),
        )

    def _all_seeds(self, exhibit: Exhibit, finding: list[Strategy]) -> list[Seeds]:
        """The seeds of PCT; where one misses, those of bounding too."""
        told: list[Seeds] = []
        for strategy in (each for each in SURE if each in finding):
            searches = []
            for seed in range(1, self._seeds + 1):
                self._on_step(f"{strategy}, seed {seed}")
                outcome = self._explore(exhibit, exhibit.variant, strategy=strategy, seconds=self._seconds, seed=seed)
                searches.append(_search(strategy, exhibit, outcome))
            told.append(
                Seeds(
                    strategy=strategy,
                    seeds=len(searches),
                    found=sum(each.found for each in searches),
                    most_schedules=max((each.schedules for each in searches), default=0),
                    most_seconds=max((each.seconds for each in searches), default=0.0),
                )
            )
            if told[-1].found == told[-1].seeds:
                break
        return told

    def _counterpart(self, exhibit: Exhibit) -> Counterpart:
        """The protocol without the bug: its space exhausted, or so many schedules of it."""
        self._on_step(f"{exhibit.fixed}, exhausting it")
        outcome = self._explore(exhibit, exhibit.fixed, strategy="dpor", seconds=self._seconds)
        if outcome.status == "clean" and not outcome.exhausted:
            self._on_step(f"{exhibit.fixed}, {COUNTERPART_SCHEDULES:,} schedules")
            outcome = self._explore(
                exhibit, exhibit.fixed, schedules=COUNTERPART_SCHEDULES, seconds=COUNTERPART_SECONDS
            )
        enough = outcome.exhausted or outcome.schedules >= COUNTERPART_SCHEDULES
        return Counterpart(
            protocol=exhibit.fixed,
            clean=outcome.status == "clean" and enough,
            exhausted=outcome.exhausted,
            schedules=outcome.schedules,
            seconds=outcome.seconds,
            coverage=covered(outcome.strategies),
        )

    def _explore(self, exhibit: Exhibit, protocol: str, **how: object) -> ExplorationOutcome:
        fields = {"protocol": protocol, "scenario": exhibit.race, "liveness": exhibit.liveness, **how}
        spec = ExplorationSpec.model_validate(fields)
        deadline = (spec.seconds or self._seconds) + MARGIN_SECONDS
        until = time.monotonic() + deadline
        with Explorer(spec, deadline_seconds=deadline) as explorer:
            while not explorer.at_end and time.monotonic() < until:
                for event in explorer.read(LOOK_SECONDS):
                    if event.outcome is not None:
                        return _whole(spec, event.outcome)
                if self._is_stopping():
                    raise Interrupted
            raise ExplorerError(f"{spec.protocol}, {spec.scenario}, {spec.strategy}: {explorer.last_words()}")


def _whole(spec: ExplorationSpec, outcome: ExplorationOutcome) -> ExplorationOutcome:
    if outcome.status in ("failed", "cancelled"):
        raise ExplorerError(f"{spec.protocol}, {spec.scenario}, {spec.strategy}: {outcome.reason}")
    return outcome


def _by_its_laws(exhibit: Exhibit, outcome: ExplorationOutcome) -> list[ExplorationFinding]:
    return [each for each in outcome.findings if each.law in exhibit.laws or each.kind in exhibit.laws]


def _search(strategy: Strategy, exhibit: Exhibit, outcome: ExplorationOutcome) -> Search:
    found = _by_its_laws(exhibit, outcome)
    named = (found or outcome.findings)[:1]
    return Search(
        strategy=strategy,
        found=bool(found),
        law=named[0].law if named else None,
        schedules=found[0].schedules if found else outcome.schedules,
        seconds=found[0].seconds if found else outcome.seconds,
    )


def _told(found: list[ExplorationFinding]) -> Told | None:
    if not found:
        return None
    shortest = min(found, key=lambda each: (each.preemptions, each.steps))
    return Told.model_validate(shortest.model_dump(include=set(Told.model_fields)))


def source_of(protocol: str) -> Path | None:
    """The file of a protocol of the museum or the catalogue."""
    paths = (folder / f"{protocol}.pyx" for folder in (PROTOCOLS / "museum", PROTOCOLS))
    return next((path for path in paths if path.is_file()), None)


def lines_of(protocol: str) -> int:
    """Lines of code of a variant: what stands in its methods, and their heads; no words, imports, class or name."""
    path = source_of(protocol)
    if path is None:
        return 0
    text = re.sub(r'"""(?:[^"]|"(?!""))*"""', "", path.read_text(encoding="utf-8"))
    text = re.sub(r"^(from .* )?c?import\b(.*\([^)]*\)|.*)$", "", text, flags=re.MULTILINE)
    lines = [line.strip() for line in text.splitlines()]
    return len([line for line in lines if line and not NO_STEP.match(line)])
