"""Source-DPOR plays one execution of every class, and reaches every final state, that playing all schedules finds.

The classes of brute force are made from its traces, without the code under test (workers/executors/interleavings.pyx).
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from workers.executors.interleavings import Interleavings, interleavings_of
from workers.executors.litmus_races import OPERATIONS, interleavings
from workers.executors.script import small_spec
from workers.races import RACES, SMALL, Race
from workers.schedulers.source_dpor import SourceDpor
from workers.spec import RunSpec

Operation = tuple[str | int, ...]
Program = list[Operation]
PRESENT = (("mm_init", 0), ("store", 0, 0))
LITMUS: dict[str, list[Program]] = {
    "lost_update": [[("read", 0), ("write", 0)]] * 2,
    "independent": [[("write", 0), ("read", 0)], [("write", 1), ("read", 1)]],
    "readers": [[("read", 0), ("read", 1)], [("read", 0), ("read", 1)], [("write", 0), ("write", 1)]],
    "commuting_adds": [[("add", 0)], [("add", 0)], [("read", 0)]],
    "lock": [[("lock", 0), ("read", 0), ("write", 0), ("unlock", 0)]] * 2,
    "lock_and_after": [[("lock", 0), ("unlock", 0), ("write", 1)]] * 3,
    "deadlock": [
        [("lock", 0), ("lock", 1), ("unlock", 1), ("unlock", 0)],
        [("lock", 1), ("lock", 0), ("unlock", 0), ("unlock", 1)],
    ],
    "trylock": [[("try", 0, 2), ("write", 0), ("unlock", 0), ("read", 0)]] * 2,
    "failing_trylocks": [[("lock", 0), ("unlock", 0)], [("try", 0, 1), ("unlock", 0)], [("try", 0, 1), ("unlock", 0)]],
    "wake": [[("write", 0), ("wake", 1)], [("park",), ("read", 0)]],
    "two_wakers": [[("wake", 2), ("write", 0)], [("wake", 2), ("write", 0)], [("park",), ("read", 0)]],
    "two_parks": [[("wake", 2), ("write", 0)], [("wake", 2), ("write", 0)], [("park",), ("park",), ("read", 0)]],
    "lost_wakeup": [[("write", 0), ("if_odd", 1, 1), ("wake", 1)], [("if_odd", 0, 2), ("write", 1), ("park",)]],
    "chances": [[("chance", 1), ("write", 0), ("read", 0)], [("write", 0), ("chance", 1), ("read", 1)]],
    "poll": [[("publish", 1), ("publish", 0)], [("poll", 0, 1000), ("read", 0)], [("write", 0)]],
    "last_reference": [
        [("get", 0), ("get", 0), ("get", 0), ("wake", 1), ("wake", 2), ("put", 0)],
        [("park",), ("put", 0)],
        [("park",), ("put", 0)],
    ],
}
KINDS = {
    "memory": ("read", "write", "add", "if_odd"),
    "locks": ("read", "write", "lock", "lock", "try", "if_odd"),
    "trylocks": ("try", "try", "lock", "write", "read"),
    "sleep": ("park", "wake", "wake", "write", "read"),
    "chances": ("chance", "read", "write", "try"),
    "all": ("read", "write", "add", "if_odd", "lock", "try", "park", "wake", "chance"),
}
MOST = 60_000


def same(every: Interleavings, reduced: Interleavings) -> None:
    """The reduction found what there is, each class once."""
    assert every.exhausted
    assert reduced.exhausted
    assert every.ambiguous == reduced.ambiguous == []
    assert every.unrepeatable == reduced.unrepeatable == 0
    assert set(reduced.classes) == set(every.classes)
    assert reduced.executions - reduced.redundant == len(every.classes)
    assert reduced.states == every.states


@pytest.mark.parametrize("name", LITMUS)
def test_one_execution_of_every_class(name: str) -> None:
    every = interleavings(LITMUS[name], "all", twice=True)
    reduced = interleavings(LITMUS[name], "dpor", twice=True)
    same(every, reduced)
    assert reduced.executions <= every.executions


@pytest.mark.parametrize(
    ("name", "executions"), [("independent", 1), ("lost_update", 4), ("deadlock", 3), ("two_wakers", 18)]
)
def test_how_many_executions_it_takes(name: str, executions: int) -> None:
    """Known by hand: nothing depends; 4 orders of 2 reads and 2 writes; who is first, or a deadlock."""
    assert interleavings(LITMUS[name], "dpor").executions == executions


def test_a_deadlock_is_reached() -> None:
    assert interleavings(LITMUS["deadlock"], "dpor").verdicts == {"completed": 2, "deadlock": 1}
    assert interleavings(LITMUS["lost_wakeup"], "dpor").verdicts["deadlock"] >= 1


def test_everybody_is_the_last_one_once() -> None:
    """References given back commute, but for the last one: each of three CPUs may free."""
    reduced = interleavings(LITMUS["last_reference"], "dpor")
    assert (len(reduced.classes), len(reduced.states)) == (3, 3)


def test_an_undeclared_access_is_told() -> None:
    """Two executions of one class with different ends: somebody touched what he did not declare."""
    sly: list[Program] = [[("read", 0), ("sneak", 1)], [("read", 0), ("sneak", 1)]]
    every = interleavings(sly, "all")
    assert every.exhausted
    assert every.ambiguous


class Generator:
    """Programs of a few operations with balanced locks, in any order of locks."""

    def __init__(self, kinds: tuple[str, ...], seed: int) -> None:
        self.kinds = kinds
        self.random = random.Random(f"{kinds} {seed}")
        self.cpus = self.random.choice([2, 2, 3])

    def programs(self) -> list[Program]:
        return [list(self.operations(0, frozenset())) for _ in range(self.cpus)]

    def operations(self, depth: int, held: frozenset[int]) -> Iterator[Operation]:
        for _ in range(self.random.randint(1, 2)):
            kind, word = self.random.choice(self.kinds), self.random.randrange(2)
            if kind in ("lock", "try"):
                yield from self.section(kind, word, depth, held)
            elif kind == "if_odd":
                body = list(self.operations(depth + 1, held)) if depth < 2 else [("write", word)]
                yield from [("if_odd", word, len(body)), *body]
            elif kind == "chance":
                yield from [("chance", 1), ("write", word)]
            elif kind == "park":
                yield ("park",)
            elif kind == "wake":
                yield ("wake", self.random.randrange(self.cpus))
            else:
                yield (kind, word)

    def section(self, kind: str, lock: int, depth: int, held: frozenset[int]) -> Iterator[Operation]:
        if lock in held or depth >= 2:
            yield ("read", lock)
            return
        body = list(self.operations(depth + 1, held | {lock}))
        yield ("lock", lock) if kind == "lock" else ("try", lock, len(body) + 1)
        yield from [*body, ("unlock", lock)]


@pytest.mark.parametrize("kinds", KINDS)
def test_programs_made_at_random(kinds: str) -> None:
    """Each seed another program; those that are too long for brute force are left out."""
    compared = 0
    for seed in range(40):
        programs = Generator(KINDS[kinds], seed).programs()
        every = interleavings(programs, "all", most=8_000)
        if not every.exhausted or "partial deadlock" in every.verdicts:
            continue
        same(every, interleavings(programs, "dpor"))
        compared += 1
    assert compared >= 20


def spec_of(protocol: str, race: Race) -> RunSpec:
    return small_spec(protocol, "cooperative", **{**SMALL, "cpus": len(race.race), "laws": "off", **race.fields})


@pytest.mark.parametrize("protocol", ["swap_cache", "has_cache"])
@pytest.mark.parametrize(
    ("first", "second"), [("load", "load"), ("load", "exit"), ("load", "dontneed"), ("exit", "exit")]
)
def test_operations_on_a_page_that_is_there(protocol: str, first: str, second: str) -> None:
    """Small enough for brute force: 10 to 28 steps."""
    steps = [(name, 0) if name == "exit" else (name, 0, 0) for name in (first, second)]
    race = Race("tiny", "", PRESENT, ((steps[0],), (steps[1],)))
    every = interleavings_of(spec_of(protocol, race), race, "all", most=MOST)
    same(every, interleavings_of(spec_of(protocol, race), race, "dpor"))


@pytest.mark.parametrize("protocol", ["swap_cache", "has_cache"])
@pytest.mark.parametrize("name", ["fault_fault", "memcg_exit", "shmem_read_truncate", "shmem_truncate_writeout"])
def test_what_chance_finds_is_among_the_classes(protocol: str, name: str) -> None:
    """Too long for brute force. An access that no step declares shows as a class that the reduction has not."""
    race = RACES[name]
    walks = interleavings_of(spec_of(protocol, race), race, "random", most=3_000, twice=True)
    reduced = interleavings_of(spec_of(protocol, race), race, "dpor")
    assert reduced.exhausted
    assert reduced.executions - reduced.redundant == len(reduced.classes)
    assert walks.ambiguous == []
    assert walks.unrepeatable == 0
    assert walks.classes.items() <= reduced.classes.items()


def test_the_count_of_a_race_is_the_same_each_time() -> None:
    race = RACES["fault_fault"]
    one, other = (interleavings_of(spec_of("swap_cache", race), race, "dpor", twice=True) for _ in range(2))
    assert one.exhausted
    assert one.ambiguous == []
    assert one.unrepeatable == 0
    assert (one.classes, one.redundant) == (other.classes, other.redundant)


def test_what_it_says_of_itself() -> None:
    oracle = SourceDpor()
    assert (oracle.executions, oracle.redundant, oracle.exhausted) == (0, 0, False)
    assert oracle.refusal().startswith("nothing is wrong")
    assert set(OPERATIONS) >= {name for programs in LITMUS.values() for program in programs for name, *_ in program}
