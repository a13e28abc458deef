"""A search: strategies in turn on one arena, until something is found, all is covered, or the budget is spent."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workers.exploration import DEFAULT_SECONDS, ExplorationSpec, FindingKind, Strategy, TickModel
from workers.explorer.arena import Arena, spec_of
from workers.explorer.strategies import Seeker, seekers
from workers.races import RACES, Race

SLICE_S = 0.05  # of one strategy, at first; it doubles with every round, up to
LONGEST_SLICE_S = 1.0


@dataclass(frozen=True)
class Hit:
    """A schedule that breaks something: what, and the choices that lead there. `race` is what was played."""

    kind: FindingKind
    law: str
    sentence: str
    detail: str
    race: Race
    recording: str
    preemptions: int
    strategy: Strategy
    schedules: int
    seconds: float


@dataclass(frozen=True)
class Options:
    """How a race is played and looked at: what a token keeps beside the race."""

    protocol: str
    laws: str
    tick: TickModel
    liveness: bool
    delayed_stores: bool

    @classmethod
    def of(cls, spec: ExplorationSpec) -> Options:
        """Without a model of the tick: a sleep ends when something has changed, for liveness at any time.

        But not with a disk, whose CPU looks for work now and then: at any time that is for ever.
        """
        disk = any(device.kind == "disk" for device in spec_of(spec.protocol, RACES[spec.scenario]).devices)
        tick = spec.tick or ("any" if spec.liveness and not disk else "await")
        return cls(spec.protocol, spec.laws, tick, spec.liveness, spec.delayed_stores)

    def arena(self, race: Race) -> Arena:
        """An arena for `race`. Errors as Arena's."""
        return Arena(self.protocol, race, self.laws, self.tick, self.liveness, self.delayed_stores)


class Search:
    """One job of an exploration. `on_slice` is told after every slice, and may raise to end it."""

    def __init__(self, spec: ExplorationSpec, race: Race, job: int = 0) -> None:
        self.spec = spec
        self.race = race
        self.arena = Options.of(spec).arena(race)
        self.seekers = seekers(spec, job)
        self.began = time.perf_counter()

    @property
    def schedules(self) -> int:
        """Played so far, by all strategies."""
        return sum(seeker.played for seeker in self.seekers)

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.perf_counter() - self.began

    @property
    def exhausted(self) -> bool:
        """Whether one strategy has covered all interleavings."""
        return any(seeker.exhausted and not seeker.unfair and _covers_all(seeker) for seeker in self.seekers)

    def run(self, on_slice: Callable[[Seeker], None] = lambda _: None) -> Hit | None:
        """Search; what was found, None when the budget is spent or nothing is left to play."""
        spec, length = self.spec, SLICE_S
        seconds = spec.seconds or (None if spec.schedules else DEFAULT_SECONDS)
        while True:
            for seeker in self.seekers:
                most = None if spec.schedules is None else spec.schedules - self.schedules
                left = length if seconds is None else min(length, seconds - self.seconds)
                if left <= 0 or most == 0 or self.exhausted or all(each.exhausted for each in self.seekers):
                    return None
                if seeker.exhausted:
                    continue
                if not seeker.seek(self.arena, left, most):
                    return self._hit(seeker)
                on_slice(seeker)
            length = min(2 * length, LONGEST_SLICE_S)

    def _hit(self, seeker: Seeker) -> Hit:
        told: dict[str, Any] = self.arena.told()[0]
        return Hit(
            kind=told["kind"],
            law=told["law"],
            sentence=told["sentence"],
            detail=told["detail"],
            race=self.race,
            recording=self.arena.recording(),
            preemptions=self.arena.preemptions,
            strategy=seeker.strategy,
            schedules=self.schedules,
            seconds=self.seconds,
        )


def _covers_all(seeker: Seeker) -> bool:
    return seeker.strategy == "dpor" or (seeker.strategy == "bound" and seeker.oracle.complete)
