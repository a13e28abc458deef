"""POS: what it finds, and that it draws again where its paper says so."""

from __future__ import annotations

import random
from math import sqrt

import pytest

from workers.executors import litmus
from workers.schedulers.pos import POS
from workers.schedulers.random_walk import RandomWalk
from workers.schedulers.schedule import Schedule

EXECUTIONS = 50_000


def share(program: str, schedule: Schedule, executions: int = EXECUTIONS) -> float:
    """Of executions on two CPUs: how many end illegally."""
    ends = litmus.each(program, schedule, cpus=2, schedules=executions)
    return sum(not legal for _, _, legal in ends) / len(ends)


@pytest.mark.parametrize("program", ["LostUpdate", "AbBa", "LostWakeup", "Needle", "Zigzag"])
@pytest.mark.parametrize("cpus", [2, 3])
@pytest.mark.parametrize("seed", range(10))
def test_planted_bugs_are_found(program: str, cpus: int, seed: int) -> None:
    played = litmus.play(program, cpus=cpus, schedules=1_000, schedule=POS(seed))
    assert not played["legal"]


@pytest.mark.parametrize("program", ["Mutex", "ParkWake", "Ticks", "Work", "Poll"])
def test_what_is_right_stays_clean(program: str) -> None:
    played = litmus.play(program, schedules=3_000, schedule=POS(1))
    assert played["legal"], (played["verdict"], played["waiting"])
    assert played["played"] == 3_000


def test_independent_steps_do_not_hide_a_race() -> None:
    """Needle: CPU 0 takes ten steps in its own word before the race. A random walk mixes them; POS does not care."""
    assert share("Needle", POS(1)) > 5 * share("Needle", RandomWalk(1))


def played_by_the_paper(rng: random.Random, draw_again: bool) -> bool:
    """Zigzag on two CPUs under POS, in the words of the paper: whether it goes wrong."""
    steps = [["start", "put", "put"], ["start", "get", "get"]]
    priority = [rng.random(), rng.random()]
    word, seen = 0, []
    while steps[0] or steps[1]:
        enabled = [cpu for cpu in (0, 1) if steps[cpu]]
        cpu = max(enabled, key=lambda cpu: priority[cpu])
        step = steps[cpu].pop(0)
        priority[cpu] = rng.random()
        other = 1 - cpu
        if draw_again and step != "start" and steps[other] and steps[other][0] not in ("start", step):
            priority[other] = rng.random()
        if step == "put":
            word += 1
        elif step == "get":
            seen.append(word)
            if word != len(seen):
                steps[1] = []
    return seen == [1, 2]


def test_a_bug_is_as_likely_as_by_the_paper() -> None:
    """Told apart from BasicPOS, where a step that has lost a race keeps its low priority."""
    rng = random.Random(1)
    played = share("Zigzag", POS(1))
    by_the_paper = sum(played_by_the_paper(rng, True) for _ in range(EXECUTIONS)) / EXECUTIONS
    basic = sum(played_by_the_paper(rng, False) for _ in range(EXECUTIONS)) / EXECUTIONS
    spread = 4 * sqrt(2 * by_the_paper / EXECUTIONS)
    assert abs(played - by_the_paper) < spread
    assert abs(basic - by_the_paper) > 2 * spread


def test_equal_seeds_play_equal_schedules() -> None:
    once = litmus.each("Work", POS(7), schedules=300)
    assert once == litmus.each("Work", POS(7), schedules=300)
    assert once != litmus.each("Work", POS(8), schedules=300)


def test_a_schedule_does_not_depend_on_those_before_it() -> None:
    after_others = litmus.play("Ticks", schedules=41, schedule=POS(5))
    alone = litmus.play("Ticks", first=40, schedules=1, schedule=POS(5))
    assert alone["trace"] == after_others["trace"]


def test_what_is_found_replays() -> None:
    found = litmus.play("Needle", cpus=3, schedules=10_000, schedule=POS(1))
    again = litmus.play("Needle", cpus=3, replay=found["recording"])
    assert not again["legal"]
    assert again["trace"] == found["trace"]


def test_chances_are_drawn() -> None:
    assert 0.1 < share("Chances", POS(1), 4_000) < 0.15
