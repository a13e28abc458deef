"""The exhibits of operations and mm: each seed of PCT finds them, and a search by preemptions finds them at once."""

from __future__ import annotations

import pytest

from workers.exhibits import EXHIBITS
from workers.explorer.arena import Arena
from workers.races import RACES
from workers.schedulers.pct import PCT
from workers.schedulers.preemption_bound import PreemptionBound
from workers.schedulers.schedule import Schedule

# number -> schedules in which any of 20 seeds of PCT finds it, and a search by preemptions: several times what it takes
BUDGETS = {
    13: (2_000, 50),
    14: (2_000, 150),
    15: (2_000, 20_000),
    16: (10_000, 200),
    17: (1_000, 50),
    18: (2_000, 100),
    21: (2_000, 100),
    24: (100, 5),
    25: (100, 5),
    29: (1_000, 5),
    33: (100, 5),
    35: (100, 5),
}
SEEDS = 20
CLEAN_SCHEDULES = 2_000

numbers = pytest.mark.parametrize("number", BUDGETS)


def broken_laws(arena: Arena, oracle: Schedule, schedules: int) -> set[str]:
    """Laws that the first schedule breaks that is not legal."""
    arena.use(oracle)
    _, legal = arena.play(0, schedules)
    return set() if legal else {finding["law"] for finding in arena.told()}


@numbers
def test_every_seed_finds_it(number: int) -> None:
    exhibit = EXHIBITS[number]
    arena = Arena(exhibit.variant, RACES[exhibit.race])
    for seed in range(SEEDS):
        assert broken_laws(arena, PCT(seed, 2), BUDGETS[number][0]) & set(exhibit.laws), seed


@numbers
def test_one_preemption_is_enough(number: int) -> None:
    exhibit = EXHIBITS[number]
    arena = Arena(exhibit.variant, RACES[exhibit.race])
    assert broken_laws(arena, PreemptionBound(1), BUDGETS[number][1]) & set(exhibit.laws)
    assert arena.preemptions <= 1


@numbers
def test_without_the_wrong_step_the_same_search_is_clean(number: int) -> None:
    exhibit = EXHIBITS[number]
    arena = Arena(exhibit.fixed, RACES[exhibit.race])
    assert broken_laws(arena, PreemptionBound(1), CLEAN_SCHEDULES) == set()
    assert broken_laws(arena, PCT(1, 2), CLEAN_SCHEDULES) == set()
