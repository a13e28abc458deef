"""The search by preemptions plays every interleaving that there is: once, the fewest preemptions first."""

from __future__ import annotations

import resource
from collections import Counter
from functools import cache
from math import comb, factorial, prod

import pytest

from workers.executors import litmus
from workers.schedulers.preemption_bound import DepthFirst, PreemptionBound

ENOUGH = 1_000_000


def lengths(cpus: int) -> tuple[int, ...]:
    """Steps of each CPU of Apart: it starts, and CPU n puts n + 2 times."""
    return tuple(cpu + 3 for cpu in range(cpus))


def interleavings(*steps: int) -> int:
    """A multinomial coefficient."""
    return factorial(sum(steps)) // prod(factorial(n) for n in steps)


def by_runs(a: int, b: int) -> Counter[int]:
    """Interleavings of two CPUs of a and b steps by preemptions.

    Each CPU's steps are cut into its runs, and the two take turns. Every switch is a preemption but the one when a CPU
    has ended: of r runs there are r - 2.
    """
    count: Counter[int] = Counter()
    for runs in range(2, a + b + 1):
        more, fewer = (runs + 1) // 2, runs // 2
        count[runs - 2] += comb(a - 1, more - 1) * comb(b - 1, fewer - 1)
        count[runs - 2] += comb(b - 1, more - 1) * comb(a - 1, fewer - 1)
    return +count


@cache
def by_recursion(steps: tuple[int, ...], last: int = -1) -> Counter[int]:
    """Interleavings of any number of CPUs by preemptions, when `last` has run last."""
    if not any(steps):
        return Counter({0: 1})
    count: Counter[int] = Counter()
    for cpu, left in enumerate(steps):
        if left:
            costs = int(last not in (-1, cpu) and steps[last] > 0)
            rest = by_recursion((*steps[:cpu], left - 1, *steps[cpu + 1 :]), cpu)
            for preemptions, ways in rest.items():
                count[preemptions + costs] += ways
    return count


def preemptions(recording: str, steps: tuple[int, ...]) -> int:
    """Of an execution of Apart: switches away from a CPU that has steps left."""
    left, count, last = list(steps), 0, -1
    for cpu in bytes.fromhex(recording)[8:]:
        count += last not in (-1, cpu) and left[last] > 0
        left[cpu] -= 1
        last = cpu
    return count


@pytest.mark.parametrize("cpus", [2, 3])
def test_every_interleaving_is_played_bound_by_bound(cpus: int) -> None:
    steps = lengths(cpus)
    search = PreemptionBound()
    played = litmus.each("Apart", search, cpus=cpus, schedules=ENOUGH)
    recordings = {recording for recording, _, _ in played}
    assert len(recordings) == interleavings(*steps)
    assert len(played) == len(recordings) + search.repeated
    assert search.executions() == by_recursion(steps)
    assert Counter(preemptions(recording, steps) for recording in recordings) == by_recursion(steps)
    assert (search.exhausted, search.complete) == (True, True)
    assert search.exhausted_bound() == search.bound == max(by_recursion(steps))


def test_two_ways_to_count_agree() -> None:
    assert by_recursion(lengths(2)) == by_runs(*lengths(2))
    assert sum(by_runs(9, 7).values()) == interleavings(9, 7)


@pytest.mark.parametrize("limit", [0, 1, 2, 3])
def test_a_limit_is_kept(limit: int) -> None:
    steps = lengths(3)
    search = PreemptionBound(limit)
    recordings = [recording for recording, _, _ in litmus.each("Apart", search, schedules=ENOUGH)]
    expected = {bound: ways for bound, ways in by_recursion(steps).items() if bound <= limit}
    assert Counter(preemptions(recording, steps) for recording in set(recordings)) == expected
    assert search.executions() == expected
    assert (search.exhausted, search.complete, search.exhausted_bound()) == (True, False, limit)
    assert len(recordings) == sum(ways * (limit + 1 - bound) for bound, ways in expected.items())


def test_fewer_preemptions_come_first() -> None:
    steps = lengths(3)
    played = litmus.each("Apart", PreemptionBound(), schedules=3_000)
    first_seen = [preemptions(recording, steps) for recording in dict.fromkeys(recording for recording, _, _ in played)]
    assert first_seen == sorted(first_seen)
    assert first_seen[-1] >= 3


@pytest.mark.parametrize("bound", [0, 1, 4])
def test_one_round_of_a_fixed_bound_repeats_nothing(bound: int) -> None:
    search = PreemptionBound(bound, first=bound)
    recordings = [recording for recording, _, _ in litmus.each("Apart", search, schedules=ENOUGH)]
    assert len(recordings) == len(set(recordings))
    assert search.executions() == {n: ways for n, ways in by_recursion(lengths(3)).items() if n <= bound}
    assert search.repeated == 0


def test_plain_depth_first_search_plays_each_interleaving_once() -> None:
    search = DepthFirst()
    recordings = [recording for recording, _, _ in litmus.each("Apart", search, schedules=ENOUGH)]
    assert len(recordings) == len(set(recordings)) == interleavings(*lengths(3))
    assert search.executions() == by_recursion(lengths(3))
    assert (search.exhausted, search.complete, search.repeated) == (True, True, 0)


@pytest.mark.parametrize("program", ["LostUpdate", "AbBa", "LostWakeup", "Zigzag"])
def test_a_bound_finds_the_ends_that_plain_search_finds(program: str) -> None:
    """Programs that race: the ends of the whole tree do not depend on the order of the search."""
    plain, search = DepthFirst(), PreemptionBound()
    ends = set(litmus.each(program, plain, cpus=2, schedules=ENOUGH))
    assert ends == set(litmus.each(program, search, cpus=2, schedules=ENOUGH))
    assert plain.complete
    assert search.complete
    assert {legal for _, _, legal in ends} == {True, False}
    assert plain.executions() == search.executions()


@pytest.mark.parametrize(
    ("program", "fewest"), [("LostUpdate", 1), ("AbBa", 1), ("LostWakeup", 1), ("Needle", 1), ("Zigzag", 2)]
)
def test_a_bug_is_found_with_the_fewest_preemptions(program: str, fewest: int) -> None:
    below = PreemptionBound(fewest - 1)
    clean = litmus.play(program, cpus=2, schedules=ENOUGH, schedule=below)
    assert clean["legal"]
    assert clean["exhausted"]
    assert clean["played"] < ENOUGH
    search = PreemptionBound()
    found = litmus.play(program, cpus=2, schedules=ENOUGH, schedule=search)
    assert not found["legal"]
    assert search.bound == fewest
    assert search.exhausted_bound() == fewest - 1
    again = litmus.play(program, cpus=2, replay=found["recording"])
    assert again["trace"] == found["trace"]
    assert not again["legal"]


def test_what_is_right_is_right_in_every_interleaving() -> None:
    for program in ("ParkWake", "Ticks"):
        search = DepthFirst()
        played = litmus.play(program, cpus=2, schedules=ENOUGH, schedule=search)
        assert played["legal"], (program, played["verdict"])
        assert played["exhausted"]
        assert search.complete


def test_chances_are_branches() -> None:
    """Three chances on each CPU: eight ways, each in any order of the CPUs; CPU 0 goes wrong in one of them."""
    for cpus, orders in ((1, 1), (2, 2), (3, 6)):
        search = PreemptionBound()
        played = litmus.each("Chances", search, cpus=cpus, schedules=ENOUGH)
        assert len({recording for recording, _, _ in played}) == len(played) == orders * 8**cpus
        assert sum(not legal for _, _, legal in played) == orders * 8 ** (cpus - 1)
        assert search.executions() == {0: len(played)}
        assert search.complete


def test_an_exhausted_search_says_so_again_and_again() -> None:
    search = PreemptionBound()
    first = litmus.play("Zigzag", cpus=2, schedules=ENOUGH, schedule=PreemptionBound(0))
    assert (first["legal"], first["exhausted"], first["played"]) == (True, True, 2)
    litmus.each("Apart", search, cpus=2, schedules=ENOUGH)
    for _ in range(2):
        again = litmus.play("Apart", cpus=2, schedules=10, schedule=search)
        assert (again["played"], again["exhausted"], again["legal"]) == (0, True, True)
    assert search.left() == 0


def test_a_search_in_parts_is_the_same_search() -> None:
    whole = [recording for recording, _, _ in litmus.each("Work", PreemptionBound(), schedules=400)]
    search = PreemptionBound()
    parts = [litmus.play("Work", first=n, schedules=100, schedule=search)["recording"] for n in range(4)]
    assert parts == whole[99::100]


def test_a_program_that_is_not_deterministic_is_refused() -> None:
    played = litmus.play("Fickle", cpus=2, schedules=100, schedule=DepthFirst())
    assert not played["legal"]
    assert played["verdict"].startswith("diverged at step ")
    assert "the program is not deterministic: after " in played["refusal"]


def test_memory_follows_the_longest_execution_alone() -> None:
    search = PreemptionBound()
    litmus.play("Work", schedules=20_000, schedule=search)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    litmus.play("Work", first=20_000, schedules=300_000, schedule=search)
    assert search.bound >= 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2_000


@pytest.mark.parametrize(("limit", "first"), [(-1, 0), (None, -1), (2, 3), (1 << 32, 0)])
def test_senseless_bounds_are_refused(limit: int | None, first: int) -> None:
    with pytest.raises(ValueError, match="it is a number of preemptions"):
        PreemptionBound(limit, first)
