"""A state that was found sound is not judged again: no schedule is judged otherwise for it."""

from __future__ import annotations

import random

import pytest

from shm.snapshot import Snapshot
from tests.laws.test_plain import forge, found
from tests.laws.world import inhabited
from workers.catalogue import PROTOCOLS, SOUND
from workers.explorer.arena import Arena
from workers.invariants.registry import Checker
from workers.protocols.registry import protocol as protocol_named
from workers.races import RACES
from workers.schedulers.random_walk import RandomWalk

SCHEDULES = 20_000
WORLDS = 200
LEFT_OUT = ("generation", "rng", "refused_sleeps", "trace_head", "events")  # of a CPU's block


def judged(protocol: str, race: str, *, each: bool) -> tuple[list[int], set[str]]:
    """The schedules that are not legal, and the laws they break; `each`: every state is judged anew."""
    arena = Arena(protocol, RACES[race], "at_rest", judge_each=each)
    arena.use(RandomWalk(5))
    broken, laws, at = [], set(), 0
    while at < SCHEDULES:
        played, legal = arena.play(at, SCHEDULES - at)
        at += played
        if not legal:
            broken.append(at - 1)
            laws |= {finding["law"] for finding in arena.told()}
    return broken, laws


@pytest.mark.parametrize(
    ("protocol", "race", "law"),
    [
        ("exclusive_bypass", "zswap_faults_move", "Q15"),
        ("reclaim_without_recheck", "exit_write_error", "Q15"),
        ("counted_twice", "dontneed_reclaim", "Q3"),
        ("no_cont_lock", "counts_carry", "Q20"),
        ("unsynchronized", "fork_fault", "Q8"),
    ],
)
def test_the_same_schedules_are_found_illegal(protocol: str, race: str, law: str) -> None:
    anew = judged(protocol, race, each=True)
    assert judged(protocol, race, each=False) == anew
    assert 0 < len(anew[0]) < SCHEDULES
    assert law in anew[1]


@pytest.mark.parametrize("protocol", SOUND)
def test_most_schedules_end_in_a_state_that_was_judged(protocol: str) -> None:
    arena = Arena(protocol, RACES["fault_fault_reclaim"])
    arena.use(RandomWalk(5))
    assert arena.play(0, SCHEDULES) == (SCHEDULES, True)
    assert arena.judged < SCHEDULES // 10


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_law_looks_at_what_a_state_leaves_out(protocol: str) -> None:
    draw = random.Random(f"left out {protocol}")
    checker = Checker(protocol)
    with inhabited(slot_format=protocol_named(protocol).slot_format) as world:
        lawful = world.buf[:]
        for _ in range(WORLDS):
            world.buf[:] = lawful
            for _ in range(draw.randrange(4)):
                forge(world, draw)
            with Snapshot(world.buf) as snapshot:
                before = found(checker, snapshot)
                for field in LEFT_OUT:
                    for cpu in range(world.geometry.cpus):
                        world.put("percpu", cpu, field, draw.getrandbits(63))
                assert found(checker, snapshot) == before
