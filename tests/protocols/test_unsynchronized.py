"""The null protocol breaks, on both executors: the laws can fail, and the scripts can show it."""

from __future__ import annotations

import pytest

from workers.executors.script import Machine, Played, small_spec
from workers.workloads.script import Scripts

SCHEDULES = 500
TRIES = 40  # of some ten ms each: one or two are enough on an idle machine
WRITE_NS = 200_000


RACE: Scripts = {cpu: [("load", 0, 0, 4), ("store", 0, 0, 4), ("pageout", 0, 0, 4)] * 2 for cpu in range(3)}


def broken(seed: int) -> Played:
    """The last of the schedules: the first one in which it broke."""
    m = Machine(small_spec("unsynchronized", "cooperative", seed=seed))
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 4), ("pageout", 0, 0, 4)]})
    return m.play(RACE, SCHEDULES)[-1]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_breaks_in_some_schedule(seed: int) -> None:
    played = broken(seed)
    assert not played.sound
    assert played.violations
    assert played.recording


def test_the_same_seed_breaks_in_the_same_way() -> None:
    assert broken(7) == broken(7)


def test_it_breaks_on_real_cpus() -> None:
    """A wide window: between the look into the cache and the insertion lies a charge that reclaims, and writes."""
    device = {"kind": "zram", "read_ns": 0, "write_ns": WRITE_NS}
    for seed in range(TRIES):
        m = Machine(small_spec("unsynchronized", "processes", seed=seed, device=device, memcg={"limit_pages": 5}))
        m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 8)]})
        if not m.play({cpu: [("load", 0, 0, 8), ("store", 0, 0, 8)] * 4 for cpu in range(3)})[-1].sound:
            return
    pytest.fail(f"{TRIES} races of unsynchronized, and no law broken")


@pytest.mark.parametrize("protocol", ["has_cache", "swap_cache"])
def test_the_same_race_is_sound_with_a_protocol(protocol: str) -> None:
    m = Machine(small_spec(protocol, "cooperative"))
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 4), ("pageout", 0, 0, 4)]})
    m.play_soundly(RACE, SCHEDULES)
