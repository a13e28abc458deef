"""PCT as in its paper: what it misses, what it finds, and at least as often as it promises."""

from __future__ import annotations

from math import exp, sqrt

import pytest

from workers.executors import litmus
from workers.schedulers.pct import PCT

DEPTH_2 = ["LostUpdate", "AbBa", "LostWakeup", "Needle"]


def hits(program: str, schedule: PCT, executions: int, cpus: int = 2) -> int:
    """How many executions end illegally."""
    return sum(not legal for _, _, legal in litmus.each(program, schedule, cpus=cpus, schedules=executions))


@pytest.mark.parametrize("program", [*DEPTH_2, "Zigzag"])
@pytest.mark.parametrize("cpus", [2, 3])
def test_depth_1_never_finds_a_bug_of_depth_2(program: str, cpus: int) -> None:
    assert hits(program, PCT(1, depth=1), 5_000, cpus) == 0


def test_depth_2_never_finds_a_bug_of_depth_3() -> None:
    assert hits("Zigzag", PCT(1, depth=2), 20_000) == 0


@pytest.mark.parametrize("program", DEPTH_2)
@pytest.mark.parametrize("cpus", [2, 3])
@pytest.mark.parametrize("seed", range(10))
def test_depth_2_finds_a_bug_of_depth_2_soon(program: str, cpus: int, seed: int) -> None:
    schedule = PCT(seed, depth=2)
    played = litmus.play(program, cpus=cpus, schedules=10_000, schedule=schedule)
    assert not played["legal"]
    assert played["played"] <= 8 * schedule.n * schedule.k


@pytest.mark.parametrize(("program", "depth"), [*((program, 2) for program in DEPTH_2), ("Zigzag", 3)])
@pytest.mark.parametrize("cpus", [2, 3])
def test_a_bug_is_found_as_often_as_is_promised(program: str, depth: int, cpus: int) -> None:
    """Needle and Zigzag on 2 CPUs have one way to go wrong: for them the promise is exact."""
    schedule, executions = PCT(3, depth), 50_000
    found = hits(program, schedule, executions, cpus)
    promised = executions / (schedule.n * schedule.k ** (depth - 1))
    assert schedule.n == cpus
    assert found >= promised - 3 * sqrt(promised)
    if program in ("Needle", "Zigzag") and cpus == 2:
        assert found <= promised + 3 * sqrt(promised)


def test_k_is_the_largest_number_of_choices_seen_and_of_demotions() -> None:
    """Two CPUs of 3 and 4 steps: there is a choice before each but those after one of them has ended."""
    for depth in (1, 2, 3):
        schedule = PCT(1, depth)
        recordings = [recording for recording, _, _ in litmus.each("Apart", schedule, cpus=2, schedules=5_000)]
        assert schedule.k == max(len(recording) // 2 - 8 for recording in recordings) + depth - 1
    assert schedule.k == 6 + 2


def test_equal_seeds_play_equal_schedules() -> None:
    for depth in (1, 2, 4):
        once = litmus.each("Work", PCT(7, depth), schedules=300)
        assert once == litmus.each("Work", PCT(7, depth), schedules=300)
        assert once != litmus.each("Work", PCT(8, depth), schedules=300)


def test_a_schedule_follows_from_seed_number_and_k() -> None:
    after_others = litmus.play("Ticks", schedules=41, schedule=PCT(5, 3, k=1_000))
    alone = litmus.play("Ticks", first=40, schedules=1, schedule=PCT(5, 3, k=1_000))
    assert alone["trace"] == after_others["trace"]
    assert alone["recording"] == after_others["recording"]


def test_what_is_found_replays() -> None:
    found = litmus.play("Zigzag", cpus=2, schedules=10_000, schedule=PCT(1, 3))
    again = litmus.play("Zigzag", cpus=2, replay=found["recording"])
    assert not found["legal"]
    assert not again["legal"]
    assert again["trace"] == found["trace"]


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("program", ["Mutex", "ParkWake", "Ticks", "Work", "Poll"])
def test_what_is_right_stays_clean(program: str, depth: int) -> None:
    played = litmus.play(program, schedules=2_000, schedule=PCT(1, depth, fair_after=500))
    assert played["legal"], (played["verdict"], played["waiting"])
    assert played["played"] == 2_000


def test_strict_priorities_starve_and_a_fair_end_does_not() -> None:
    strict = PCT(1, depth=1, fair_after=litmus.STEP_LIMIT)
    assert litmus.play("Poll", schedules=100, schedule=strict)["unfair"] > 10
    fair = PCT(1, depth=1, fair_after=100)
    played = litmus.play("Poll", schedules=100, schedule=fair)
    assert played["legal"]
    assert played["steps"] > 100 * 100 / 5
    assert fair.k == 100


def test_chances_are_drawn() -> None:
    assert 0.1 < hits("Chances", PCT(1), 4_000) / 4_000 < 0.15


def test_the_probability_of_a_miss() -> None:
    schedule = PCT(1, depth=2)
    assert schedule.missed() == 1.0
    hits("Needle", schedule, 10_000)
    assert (schedule.n, schedule.k) == (2, 35)
    assert schedule.missed(0) == 1.0
    assert schedule.missed(1) == pytest.approx(1 - 1 / (2 * 35))
    assert schedule.missed(1_000) == pytest.approx(exp(-1_000 / 70), rel=0.2)
    assert 9_000 < schedule.settled < 10_000
    assert schedule.missed() == schedule.missed(schedule.settled)


def test_the_estimate_can_be_given() -> None:
    schedule = PCT(1, depth=2, k=35)
    hits("Needle", schedule, 1_000)
    assert (schedule.k, schedule.settled) == (35, 1_000)


@pytest.mark.parametrize("arguments", [{"depth": 0}, {"depth": 17}, {"k": 0}, {"fair_after": 0}])
def test_senseless_arguments_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        PCT(1, **arguments)
