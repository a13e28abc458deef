"""Where a lock is released the laws look at what it guarded and at nothing else; what breaks is told there and then."""

from __future__ import annotations

from typing import Any

import pytest

from shm.snapshot import Snapshot, field_offsets
from tests.laws import world as w
from tests.laws.world import World, inhabited
from workers.catalogue import SOUND
from workers.executors.script import Machine, Played, small_spec
from workers.invariants.registry import LAWS, Checker, check_at_rest, laws_for
from workers.workloads.script import Scripts

DISK: dict[str, Any] = {"device": {"kind": "disk", "read_ns": 100, "write_ns": 100}}
OUT = [("mm_init", 0), ("store", 0, 0), ("pageout", 0, 0)]


def on_folio(world: World, pfn: int) -> set[str]:
    """The laws that speak when that folio is unlocked."""
    checker = Checker("has_cache")
    with Snapshot(world.buf) as snapshot:
        found = checker.look_on_folio(snapshot, pfn)
    assert found == bool(checker.findings())
    return {finding["law"] for finding in checker.findings()}


def on_page(world: World, page: int, mm: int = 0) -> set[str]:
    """The laws that speak when the lock of that page-table entry is released."""
    checker = Checker("has_cache")
    with Snapshot(world.buf) as snapshot:
        found = checker.look_on_pages(snapshot, mm, page, page + 1)
    assert found == bool(checker.findings())
    return {finding["law"] for finding in checker.findings()}


def test_a_reserved_slot_is_between_allocation_and_insertion() -> None:
    with inhabited() as world:
        world.word("swap_map", w.A_FREE_SLOT, w.HAS_CACHE)
        world.put("clusters", 1, "count", 3)
        checker = Checker("swap_cache")
        with Snapshot(world.buf) as snapshot:
            assert checker.look_on_cluster(snapshot, 0, 1)
            assert [finding["law"] for finding in checker.findings()] == ["C4"]
            checker.reset()
            world.put("percpu", 1, "reserved_entry", w.A_FREE_SLOT)
            world.put("percpu", 1, "reserved_nr", 1)
            assert not checker.look_on_cluster(snapshot, 0, 1)


def test_a_folio_read_by_a_bypass_has_an_entry_while_it_is_claimed() -> None:
    with inhabited() as world:
        world.put("folios", w.MAPPED_PFN, "swap", w.A_FREE_SLOT)
        world.put("folios", w.MAPPED_PFN, "flags", w.UPTODATE | w.CLAIMED)
        assert on_folio(world, w.MAPPED_PFN) == set()
        assert {finding["law"] for finding in check_at_rest(world.buf, "has_cache")} == {"F1"}
        world.put("folios", w.MAPPED_PFN, "flags", w.UPTODATE)
        assert on_folio(world, w.MAPPED_PFN) == {"F1"}


def test_laws_of_a_cluster_look_at_that_cluster_alone() -> None:
    with inhabited() as world:
        world.put("clusters", 1, "count", 9)
        checker = Checker("has_cache")
        with Snapshot(world.buf) as snapshot:
            assert not checker.look_on_cluster(snapshot, 0, 2)
            assert not checker.look_on_cluster(snapshot, 1, 1)
            assert checker.findings() == []
            assert checker.look_on_cluster(snapshot, 0, 1)
            assert checker.look_on_cluster(snapshot, 0, 1)
            (finding,) = checker.findings()
            assert (finding["law"], finding["count"]) == ("C1", 2)
            assert finding["detail"] == "device 0 cluster 1: count is 9, 2 slots are not free"
            checker.reset()
            assert checker.findings() == []
            with pytest.raises(IndexError, match="device 0 cluster 4"):
                checker.look_on_cluster(snapshot, 0, 4)


def test_which_laws_a_protocol_keeps_where() -> None:
    def under_cluster_lock(protocol: str) -> list[str]:
        return [law.id for law in LAWS.values() if protocol in law.cluster_protocols]

    assert under_cluster_lock("has_cache") == ["C1", "C2", "C3", "C12", "C15", "C16", "C17", "C18", "C19", "T7"]
    assert under_cluster_lock("swap_cache") == [
        *("C1", "C2", "C3", "C4", "C5", "C8", "C12", "C13", "C15", "C16", "C17", "C18", "C19", "T7"),
    ]
    assert [law.id for law in LAWS.values() if law.folio_protocols] == [
        *("C14", "F1", "F2", "F4", "F6", "F8", "F9", "F11", "F12", "T8"),
    ]
    assert [law.id for law in LAWS.values() if law.page_protocols] == ["P1", "P2", "P4", "P5", "Q15"]
    everywhere = laws_for("has_cache", at_every_unlock=True)
    assert {*under_cluster_lock("has_cache"), "F1", "P4", "Q15", "T1", "T5", "L2", "C13"} <= set(everywhere)
    assert not {"C5", "C8", "Q2"} & set(everywhere)
    assert set(LAWS) - set(laws_for("swap_cache")) == {"C7", "C9", "C10", "C11", "P4", "Q6"}
    assert set(LAWS) - set(laws_for("has_cache")) == {"C4", "C7", "C9", "C10", "C11", "L5", "P4"}
    assert set(LAWS) - set(laws_for("swap_table_count")) == {"C3", "C4", "C5", "C7", "C12", "F10", "P4", "Q8"}
    with pytest.raises(ValueError, match="protocol 'nobody'"):
        laws_for("nobody")
    with pytest.raises(ValueError, match="no laws for protocol"):
        check_at_rest(b"", "nobody")


def test_laws_of_a_folio_look_at_that_folio_alone() -> None:
    for field, value, expected in (
        ("refcount", 0, {"F2", "F8"}),
        ("swap", w.SWAPPED_SLOT, {"F1"}),
        ("flags", w.SWAPCACHE, {"F6"}),
        ("flags", w.UPTODATE | w.WRITEBACK, {"F1", "F4"}),
        ("flags", w.UPTODATE | w.SWAPCACHE | w.EXCLUSIVE, {"F9"}),
    ):
        with inhabited() as world:
            assert on_folio(world, w.CACHED_PFN) == on_folio(world, w.MAPPED_PFN) == set()
            world.put("folios", w.CACHED_PFN, field, value)
            assert on_folio(world, w.CACHED_PFN) == expected
            assert on_folio(world, w.MAPPED_PFN) == set()
    with inhabited() as world, Snapshot(world.buf) as snapshot, pytest.raises(IndexError, match="folio 16"):
        Checker("swap_cache").look_on_folio(snapshot, 16)


def test_a_folio_whose_read_failed_is_not_uptodate() -> None:
    with inhabited() as world:
        world.put("folios", w.CACHED_PFN, "flags", w.SWAPCACHE | w.ERROR)
        assert on_folio(world, w.CACHED_PFN) == set()


def test_laws_of_a_page_table_entry_look_at_that_entry_alone() -> None:
    for pte, expected in (
        (w.pte_of_slot(1000), {"P1"}),
        (w.pte_of_slot(w.A_FREE_SLOT), {"P1", "P4", "Q15"}),
        (w.pte_of_slot(w.CACHED_SLOT), {"Q15"}),
    ):
        with inhabited() as world:
            world.page(w.SWAPPED, pte, 101)
            assert on_page(world, w.SWAPPED) == expected
            assert on_page(world, w.MAPPED) == set()
    with inhabited() as world, Snapshot(world.buf) as snapshot, pytest.raises(IndexError, match="mm 0 pages 3 to 17"):
        Checker("swap_cache").look_on_pages(snapshot, 0, 3, 17)


def test_a_count_is_what_page_tables_say_unless_one_of_them_is_locked() -> None:
    """P4, also of the slot of a folio that is mapped."""
    with inhabited() as world:
        world.word("swap_map", w.SWAPPED_SLOT, 2)
        assert on_page(world, w.SWAPPED) == {"P4"}
        world.lock_page_table(1)
        assert on_page(world, w.SWAPPED) == set()
    with inhabited() as world:
        world.page(w.CACHED, w.CACHED_PFN << 9 | w.PRESENT_PTE_BITS, 102)
        assert on_page(world, w.CACHED) == {"P4"}
        world.word("swap_map", w.CACHED_SLOT, w.HAS_CACHE)
        assert on_page(world, w.CACHED) == set()


class Forged:
    """A machine whose page 0 of mm 0 is swapped out, with words written past every lock, and then a step of CPU 1."""

    def __init__(self, laws: str = "every_unlock", before: list[tuple[Any, ...]] | None = None, **fields: Any) -> None:
        self.machine = Machine(small_spec("swap_cache", "cooperative", laws=laws, **fields))
        self.machine.play_soundly({0: OUT + (before or [])})
        with Snapshot(self.machine.buf) as snapshot:
            self.arrays, pte = snapshot.arrays(), snapshot.mm(0).ptes[0]
            self.pfn = pte.pfn or 0
            self.slot = pte.entry.offset if pte.entry else 0

    def byte(self, array: str, index: int, value: int, at: int = 0) -> None:
        span = self.arrays[array]
        self.machine.buf[span.offset + index * span.item + at] = value

    def told(self, *step: Any) -> tuple[str, dict[str, str]]:
        """The verdict, and the laws that spoke with what they said."""
        played: Played = self.machine.play({1: [step]})[0]
        return played.verdict, {v["law"]: v["detail"] for v in played.violations}


def test_what_breaks_is_told_where_the_cluster_is_unlocked() -> None:
    m = Forged()
    m.byte("clusters", 0, 5, field_offsets()["swap_cluster_info"]["count"][0])
    verdict, told = m.told("load", 0, 0)
    assert verdict == "broken"
    assert set(told) == {"C1"}


def test_what_breaks_is_told_where_the_folio_is_unlocked() -> None:
    """PG_anon_exclusive behind another mm's swap PTE: the fault of the first one maps the folio, and unlocks it."""
    m = Forged(before=[("fork", 0, 1)], **DISK)
    m.byte("ptes", 0, m.machine.buf[m.arrays["ptes"].offset] | w.PTE_EXCLUSIVE)
    verdict, told = m.told("load", 0, 0)
    assert verdict == "broken"
    assert set(told) == {"P2"}


def test_what_breaks_is_told_where_the_page_table_is_unlocked() -> None:
    """The stale page is told when it is mapped, before anybody loads it."""
    m = Forged()
    m.byte("blocks", 0, 9, 8)
    verdict, told = m.told("load", 0, 0)
    assert verdict == "broken"
    assert told["Q15"].startswith("mm 0 page 0: the stamp is")


def test_what_breaks_is_told_where_a_step_warns() -> None:
    """Reclaim of a clean page whose slot holds something else."""
    m = Forged(before=[("load", 0, 0)], **DISK)
    m.byte("blocks", 0, 9, 8)
    verdict, told = m.told("pageout", 0, 0)
    assert verdict == "broken"
    assert set(told) == {"T4"}


def test_every_load_and_every_store_is_verified() -> None:
    """Also where no lock is looked at: the access itself compares, and warns."""
    for laws, verdict in (("every_unlock", "broken"), ("at_rest", "completed")):
        for access in ("load", "store"):
            m = Forged(laws, before=[("load", 0, 0)])
            m.byte("payloads", m.pfn, 9, 8)
            assert m.told(access, 0, 0)[0] == verdict
            m = Forged(laws, before=[("load", 0, 0)])
            m.byte("payloads", m.pfn, 9, 16)
            how, told = m.told(access, 0, 0)
            assert how == verdict
            assert told["Q15"].startswith("CPU 1 loaded what was not stored last")


def test_looks_at_rest_tell_the_same_at_the_end() -> None:
    m = Forged("at_rest")
    m.byte("blocks", 0, 9, 8)
    verdict, told = m.told("load", 0, 0)
    assert verdict == "completed"
    assert set(told) == {"Q15"}


@pytest.mark.parametrize("protocol", SOUND)
def test_sound_protocols_keep_all_laws_at_every_place(protocol: str) -> None:
    races: tuple[tuple[dict[str, Any], Scripts], ...] = (
        (
            {"mms": 3, "pages": 2},
            {0: [("load", 0, 0, 2)], 1: [("store", 0, 0)], 2: [("pageout", 0, 0, 2), ("exit", 1)]},
        ),
        (
            {**DISK, "mms": 3, "pages": 2},
            {0: [("swapoff",)], 1: [("store", 1, 0), ("pageout", 1, 0)], 2: [("fork", 0, 2)]},
        ),
    )
    for fields, race in races:
        m = Machine(small_spec(protocol, "cooperative", **fields))
        m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 2), ("fork", 0, 1), ("pageout", 0, 0, 2)]})
        assert len(m.play(race, 300)) == 300
