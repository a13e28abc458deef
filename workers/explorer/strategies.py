"""The strategies of a search, and what each says of the ground that it has covered. docs/explore.md compares them.

Thomson, Donaldson and Betts (TOPC 2016) found that no strategy finds all bugs that the others find; so the default is a
portfolio that gives each a slice of time in its turn.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from workers.exploration import ExplorationSpec, Strategy, StrategyTold
from workers.explorer.arena import Arena
from workers.schedulers.pct import PCT
from workers.schedulers.pos import POS
from workers.schedulers.preemption_bound import PreemptionBound
from workers.schedulers.random_walk import RandomWalk
from workers.schedulers.source_dpor import SourceDpor

DEPTHS = (2, 3, 4)  # of the bugs that PCT looks for in turn: what is planted in kernels lies there (docs/explore.md)
PORTFOLIO: tuple[Strategy, ...] = ("dpor", "pct", "bound", "random", "pos")
GENERATOR = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: seeds of jobs that are far apart
MASK = (1 << 63) - 1


class Seeker:
    """One strategy at work: it plays slices on an arena, and goes on next time where it has stopped."""

    def __init__(self, strategy: Strategy, oracle: Any, covered: Callable[[Seeker], str]) -> None:
        self.strategy = strategy
        self.oracle = oracle
        self.covered = covered
        self.played = 0
        self.steps = 0
        self.redundant = 0
        self.unfair = 0
        self.seconds = 0.0
        self.exhausted = False

    def seek(self, arena: Arena, seconds: float, most: int | None = None) -> bool:
        """Play for `seconds`, or `most` schedules. False: the last schedule was not legal."""
        arena.use(self.oracle)
        steps, began = arena.steps, time.perf_counter()
        last = None if most is None else self.played + most
        size, legal, took = 64, True, 0.0
        while legal and took < seconds and not arena.exhausted and (last is None or self.played < last):
            asked = size if last is None else min(size, last - self.played)
            before = took
            played, legal = arena.play(self.played, asked)
            self.played += played
            took = time.perf_counter() - began
            size = max(1, min(size * 2, int(asked * (seconds - took) / max(took - before, 1e-6)), 1 << 20))
        self.seconds += took
        self.steps += arena.steps - steps
        self.redundant += arena.redundant
        self.unfair += arena.unfair
        self.exhausted = arena.exhausted
        return legal

    def told(self) -> StrategyTold:
        """What it has done so far."""
        return StrategyTold(
            strategy=self.strategy,
            schedules=self.played,
            redundant=self.redundant,
            unfair=self.unfair,
            steps=self.steps,
            seconds=self.seconds,
            exhausted=self.exhausted,
            sentence=self.covered(self),
        )


def seekers(spec: ExplorationSpec, job: int = 0) -> list[Seeker]:
    """The strategies that job number `job` of an exploration plays in turn.

    Jobs but the first draw other random schedules; what is systematic is done by the first one alone.
    """
    seed = (spec.seed + job * GENERATOR) & MASK
    names = PORTFOLIO if spec.strategy == "portfolio" else (spec.strategy,)
    if job and spec.strategy == "portfolio":
        names = ("pct", "random", "pos")
    made: list[Seeker] = []
    for name in names:
        made += _made(name, seed, spec)
    return made


def _made(name: Strategy, seed: int, spec: ExplorationSpec) -> list[Seeker]:
    if name == "random":
        return [Seeker("random", RandomWalk(seed), _by_chance)]
    if name == "pos":
        return [Seeker("pos", POS(seed), _by_chance)]
    if name == "pct":
        depths = DEPTHS if spec.depth is None else (spec.depth,)
        return [Seeker("pct", PCT(seed, depth), _by_depth) for depth in depths]
    if name == "bound":
        return [Seeker("bound", PreemptionBound(spec.bound), _by_bound)]
    return [Seeker("dpor", SourceDpor(), _exhaustively)]


def _by_chance(seeker: Seeker) -> str:
    if not seeker.played:
        return "no schedule was played"
    return (
        f"{seeker.played:,} random schedules: what breaks a law is met by fewer than 1 in "
        f"{max(1, int(seeker.played / -math.log(0.05))):,} of them, with 95 % confidence"
    )


def _by_depth(seeker: Seeker) -> str:
    pct = seeker.oracle
    return (
        f"{seeker.played:,} schedules of PCT, n = {pct.n} CPUs, k = {pct.k} steps: a bug of depth {pct.depth} is "
        f"missed with a probability of at most {pct.missed(seeker.played):.2g}"
    )


def _by_bound(seeker: Seeker) -> str:
    bound = seeker.oracle
    counts = ", ".join(f"{bound}: {count:,}" for bound, count in bound.executions().items())
    if bound.complete:
        return f"exhausted: {seeker.played:,} executions, all interleavings (executions by preemptions: {counts})"
    done = bound.exhausted_bound()
    if done is None:
        return f"{seeker.played:,} executions without a preemption, which are not all"
    return f"all executions with at most {done} preemptions (executions by preemptions: {counts})"


def _exhaustively(seeker: Seeker) -> str:
    kept = seeker.played - seeker.redundant - seeker.unfair
    if seeker.exhausted and seeker.unfair:
        return f"exhausted but for {seeker.unfair:,} unfair executions: {kept:,} classes of equivalent interleavings"
    if seeker.exhausted:
        return f"exhausted: {kept:,} executions, one of each class of equivalent interleavings"
    return f"{kept:,} classes of equivalent interleavings; there are more"
