"""Stores that are seen late: what no order of steps shows is found with the option on, and a barrier takes it away."""

from __future__ import annotations

import pytest

from workers.catalogue import SOUND
from workers.executors import litmus
from workers.explorer.arena import Arena
from workers.races import RACES, Race
from workers.schedulers.random_walk import RandomWalk

SCHEDULES = 20_000
SCHEDULES_OF_A_RACE = 2_000


@pytest.mark.parametrize(
    ("program", "verdict"),
    [
        ("Stores", "completed"),
        ("Cleared", "completed"),
        ("Active", "deadlock"),
        ("Evicted", "completed"),
        ("Unlocked", "completed"),
    ],
)
def test_without_a_barrier_a_late_store_breaks_it(program: str, verdict: str) -> None:
    assert litmus.play(program, cpus=2, schedules=SCHEDULES)["legal"]
    broken = litmus.play(program, cpus=2, schedules=SCHEDULES, delayed_stores=True)
    assert (broken["verdict"], broken["legal"]) == (verdict, False)
    again = litmus.play(program, cpus=2, replay=broken["recording"], delayed_stores=True)
    assert (again["legal"], again["trace"]) == (False, broken["trace"])


WITH_BARRIERS = [f"{name}WithBarrier" for name in ("Stores", "Cleared", "Active", "Evicted", "Unlocked")]


@pytest.mark.parametrize("program", [*WITH_BARRIERS, "Mutex", "ParkWake"])
def test_with_a_barrier_nothing_breaks(program: str) -> None:
    assert litmus.play(program, cpus=2, schedules=SCHEDULES, delayed_stores=True)["legal"]


def test_with_the_option_off_no_choice_is_asked_for() -> None:
    on = litmus.play("Stores", cpus=2, schedules=1, delayed_stores=True)
    off = litmus.play("Stores", cpus=2, schedules=1)
    assert len(on["recording"]) > len(off["recording"])


@pytest.mark.parametrize("protocol", SOUND)
def test_sound_protocols_have_their_barriers(protocol: str) -> None:
    """Every race, with all laws at every place, and a swapoff while pages come and go."""
    for race in RACES.values():
        arena = Arena(protocol, race, delayed_stores=True)
        arena.use(RandomWalk(7))
        played, legal = arena.play(0, SCHEDULES_OF_A_RACE)
        assert (played, legal) == (SCHEDULES_OF_A_RACE, True), (race.name, arena.verdict(), arena.told())


@pytest.mark.parametrize("protocol", SOUND)
def test_late_stores_do_not_hide_from_their_own_cpu(protocol: str) -> None:
    """A swapoff that adds up the device's users finds each of them, and comes to its end."""
    before = (("mm_init", 0), ("store", 0, 0, 2), ("fork", 0, 1), ("pageout", 0, 0, 2))
    steps = ((("swapoff",), ("swapon",)), (("store", 0, 0, 2),), (("exit", 1),))
    race = Race("swapoff_late", "A device goes while its users come and go.", before, steps, {"mms": 3, "pages": 2})
    arena = Arena(protocol, race, delayed_stores=True)
    arena.use(RandomWalk(7))
    assert arena.play(0, SCHEDULES_OF_A_RACE) == (SCHEDULES_OF_A_RACE, True), (arena.verdict(), arena.told())
