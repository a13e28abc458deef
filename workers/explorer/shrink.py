"""The smallest story that shows a finding: first a smaller scenario, then as few preemptions as there can be.

Shrinking is a search, not a cutting of the recording: a race with one step less is searched for the same violated law,
and kept when it shows it. At last the executions with 0, 1 and 2 preemptions are enumerated, the fewest first, so the
first hit has the fewest of all (Musuvathi and Qadeer, PLDI 2007).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from workers.explorer.search import Hit, Options
from workers.explorer.strategies import Seeker
from workers.races import Race, Step
from workers.schedulers.pct import PCT
from workers.schedulers.preemption_bound import PreemptionBound
from workers.schedulers.random_walk import RandomWalk

SCENARIO_S = 10.0  # for all smaller scenarios together
CANDIDATE_S = 0.2  # for one of them, and each strategy
BOUND_S = 4.0  # for the executions of up to MOST_PREEMPTIONS
MOST_PREEMPTIONS = 2


def shrunk(hit: Hit, options: Options) -> Hit:
    """The smallest hit of the same law that is found within some seconds; `hit` itself when there is none."""
    until = time.perf_counter() + SCENARIO_S
    at = 0
    while at < len(tries := candidates(hit.race)) and time.perf_counter() < until:
        smaller = _seen_in(tries[at], hit, options)
        if smaller is None:
            at += 1
        else:
            hit = smaller  # what comes after the part that went stands at its place now
    return _found(PreemptionBound(MOST_PREEMPTIONS), hit.race, hit, options, BOUND_S) or hit


def candidates(race: Race) -> list[Race]:
    """Races with one CPU, one step or half a range less, the last parts first."""
    told = []
    for cpu in reversed(range(len(race.race) if len(race.race) > 1 else 0)):
        told.append(replace(race, race=race.race[:cpu] + race.race[cpu + 1 :]))
    for cpu, steps in reversed(list(enumerate(race.race))):
        for fewer in _shorter(steps):
            if fewer:
                told.append(replace(race, race=(*race.race[:cpu], fewer, *race.race[cpu + 1 :])))
    told += [replace(race, before=fewer) for fewer in _shorter(race.before)]
    return told


def _shorter(steps: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
    for at in reversed(range(len(steps))):
        yield steps[:at] + steps[at + 1 :]
    for at, step in reversed(list(enumerate(steps))):
        if len(step) == 4 and isinstance(step[2], int) and isinstance(step[3], int) and step[3] - step[2] > 1:
            middle = (step[2] + step[3]) // 2
            for first, end in ((step[2], middle), (middle, step[3])):
                yield (*steps[:at], (step[0], step[1], first, end), *steps[at + 1 :])


def _seen_in(race: Race, hit: Hit, options: Options) -> Hit | None:
    """A hit of the same law in a smaller race, by the strategies that are quick to find one."""
    for oracle in (PreemptionBound(MOST_PREEMPTIONS), PCT(1, 3), RandomWalk(1)):
        found = _found(oracle, race, hit, options, CANDIDATE_S)
        if found is not None:
            return found
    return None


def _found(
    oracle: PreemptionBound | PCT | RandomWalk, race: Race, hit: Hit, options: Options, seconds: float
) -> Hit | None:
    """The first execution of `race` within `seconds` that breaks the law of `hit`; others are passed over."""
    try:
        arena = options.arena(race)
    except (RuntimeError, ValueError):  # without that step the race cannot be set up
        return None
    seeker = Seeker(hit.strategy, oracle, lambda _: "")
    while seeker.seconds < seconds and not seeker.exhausted:
        if seeker.seek(arena, seconds - seeker.seconds):
            continue
        for told in arena.told():
            if (told["kind"], told["law"]) == (hit.kind, hit.law):
                recording, preemptions = arena.recording(), arena.preemptions
                return replace(
                    hit, race=race, recording=recording, preemptions=preemptions,
                    sentence=told["sentence"], detail=told["detail"],
                )  # fmt: skip
    return None
