"""Laws of transitions: a protocol that gets one wrong is stopped at that very step, and a sound one never warns."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.executors.script import Machine, small_spec
from workers.explorer.arena import Arena
from workers.races import RACES
from workers.schedulers.pct import PCT

DISK = {"device": {"kind": "disk", "read_ns": 100, "write_ns": 100}}
ALONE = (("mm_init", 0), ("store", 0, 0), ("reclaim", 4))


@pytest.mark.parametrize(
    ("law", "protocol", "before", "step", "fields"),
    [
        ("T1", "DupsAfterTheLast", ALONE, ("exit", 0), DISK),
        ("T2", "FreesShared", (*ALONE, ("fork", 0, 1)), ("load", 0, 0), {}),
        ("T3", "ReadsFreed", ALONE, ("load", 0, 0), {}),
        ("F3", "DropsUnlocked", ALONE, ("load", 0, 0), {}),
        ("T7", "FreesUnlocked", ALONE, ("load", 0, 0), {}),
    ],
)
def test_a_wrong_transition_is_told_where_it_happens(
    law: str,
    protocol: str,
    before: tuple[tuple[str | int, ...], ...],
    step: tuple[str | int, ...],
    fields: dict[str, object],
) -> None:
    name = f"{Path(__file__).parent / 'careless.pyx'}:{protocol}"
    machine = Machine(small_spec(name, "cooperative", **fields, lockdep=False))
    machine.play_soundly({0: before})
    played = machine.play({1: [step]})[0]
    assert played.verdict == "broken"
    assert [violation["law"] for violation in played.violations] == [law]
    assert played.results[1] == [None]


def test_an_id_on_a_free_slot_is_told_where_it_is_recorded() -> None:
    """T5, cgroup v1: reclaim frees the slot before it records the id, when the owner exits meanwhile."""
    arena = Arena("swap_cache_as_posted", RACES["memcg_exit"])
    arena.use(PCT(1, 2))
    played, legal = arena.play(0, 100_000)
    assert not legal
    assert arena.verdict() == "broken"
    assert [violation["law"] for violation in arena.told()] == ["T5"]
    assert played < 100_000
