"""Laws of transitions: a protocol that gets one wrong is stopped at that very step, and a sound one never warns."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.executors.script import Machine, small_spec

DISK = {"device": {"kind": "disk", "read_ns": 100, "write_ns": 100}}
SHARED = (("mm_init", 0), ("store", 0, 0), ("fork", 0, 1), ("pageout", 0, 0))
ALONE = (("mm_init", 0), ("store", 0, 0), ("reclaim", 4))


@pytest.mark.parametrize(
    ("law", "protocol", "before", "step", "fields"),
    [
        ("T1", "DupsAfterTheLast", (*ALONE, ("load", 0, 0), ("pageout", 0, 0)), ("exit", 0), DISK),
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


@pytest.mark.parametrize("version", [1, 2])
def test_an_id_on_a_free_slot_is_told_where_it_is_recorded(version: int) -> None:
    """T5, cgroup v1: reclaim frees the slot before it records the id, when the owner exits meanwhile."""
    laws = set()
    for seed in range(4):
        memcg = {"version": version, "limit_pages": 48}
        machine = Machine(small_spec("swap_cache_as_posted", "cooperative", memcg=memcg, seed=seed))
        machine.play_soundly({0: [("mm_init", 0), ("store", 0, 0)]})
        played = machine.play({0: [("pageout", 0, 0)], 1: [("exit", 0)]}, 2_000)[-1]
        laws |= {violation["law"] for violation in played.violations}
        assert played.verdict == ("broken" if played.violations else "completed")
    assert laws == ({"T5"} if version == 1 else set())
