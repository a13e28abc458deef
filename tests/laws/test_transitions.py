"""Laws of transitions: a protocol that gets one wrong is stopped at that very step, and a sound one never warns."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.executors.script import Machine, small_spec
from workers.explorer.arena import Arena
from workers.races import RACES
from workers.schedulers.pct import PCT
from workers.schedulers.random_walk import RandomWalk

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
        ("F5", "ReadsAlone", ALONE, ("load", 0, 0), {}),
        ("F7", "ForgetsTheStore", ALONE, ("load", 0, 0), {}),
        ("L5", "RefusesAll", ALONE, ("load", 0, 0), {}),
        ("L6", "UnusesNothing", ALONE, ("swapoff",), {}),
        ("L7", "AlwaysShort", ALONE, ("load", 0, 0), {}),
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


def test_a_writeback_of_zswap_skips_what_it_may_not_insert() -> None:
    """skip_if_exists: where an insertion is refused (RefusesAll), a fault looks again for ever, and zswap does not."""
    machine = Machine(
        small_spec(f"{Path(__file__).parent / 'careless.pyx'}:RefusesAll", "cooperative", zswap={"pool_pages": 4})
    )
    machine.play_soundly(
        {0: [("mm_init", 0), ("store", 0, 0), ("pageout", 0, 0), ("zswap_writeback", 1)]}
    )  # marks it old
    played = machine.play_soundly({1: [("zswap_writeback", 1)]})
    assert played.results == {1: [0]}
    assert played.events["swapcache_eexist"] == 1


def test_an_id_on_a_free_slot_is_told_where_it_is_recorded() -> None:
    """T5, cgroup v1: reclaim frees the slot before it records the id, when the owner exits meanwhile."""
    arena = Arena("swap_cache_as_posted", RACES["memcg_exit"])
    arena.use(PCT(1, 2))
    played, legal = arena.play(0, 100_000)
    assert not legal
    assert arena.verdict() == "broken"
    assert [violation["law"] for violation in arena.told()] == ["T5"]
    assert played < 100_000


def first_broken(protocol: str, race: str, schedules: int) -> list[str]:
    """The laws that the first schedule which breaks any has broken."""
    arena = Arena(protocol, RACES[race])
    for oracle in (PCT(1, 3), RandomWalk(1)):
        arena.use(oracle)
        _, legal = arena.play(0, schedules)
        if not legal:
            return [violation["law"] for violation in arena.told()]
    return []


def test_a_slot_of_another_generation_is_told_where_its_page_is_mapped() -> None:
    """P3 and T8: between the read and the PTE the slot was freed, used again, and compares equal.

    What it holds is the same where nobody has stored to it; where somebody has, Q15 tells it (museum 1).
    """
    assert first_broken("skip_cache", "fault_fault_reclaim", 200_000) == ["P3", "T8"]
    assert first_broken("skip_cache", "fault_swap_out_again", 200_000) == ["Q15"]
    assert first_broken("has_cache", "fault_fault_reclaim", 20_000) == []


def test_a_fault_that_lost_its_slot_may_report_that_memory_is_short() -> None:
    """L7: between the look for the folio and that at the PTE the slot went and came back; no law is broken by it."""
    arena = Arena("swap_table", RACES["fault_swap_out_again"])
    arena.use(RandomWalk(1))
    _, legal = arena.play(0, 50_000)
    assert legal, arena.told()
