"""Where a lock is released the laws look at what it guarded, and at nothing else; what breaks is told there and then."""

from __future__ import annotations

from typing import Any

import pytest

from shm.snapshot import Snapshot, field_offsets
from tests.laws import world as w
from tests.laws.world import World, inhabited
from workers.executors.script import Machine, Played, small_spec
from workers.invariants.registry import LAWS, Checker, check_at_rest, laws_for

KNOWN = {law.id for law in LAWS.values() if "swap_cache" in law.known_broken and "swap_cache" not in law.unless}
DISK = {"device": {"kind": "disk", "read_ns": 100, "write_ns": 100}}
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

    assert under_cluster_lock("has_cache") == ["C1", "C2", "C3", "C12", "C15", "C18", "T7"]
    assert under_cluster_lock("swap_cache") == [
        *("C1", "C2", "C3", "C4", "C5", "C8", "C12", "C13", "C15", "C18", "T7"),
    ]
    assert [law.id for law in LAWS.values() if law.folio_protocols] == ["F1", "F2", "F4", "F6", "F8", "F9"]
    assert [law.id for law in LAWS.values() if law.page_protocols] == ["P1", "P2", "P4", "Q15"]
    everywhere = laws_for("has_cache", at_every_unlock=True)
    assert {*under_cluster_lock("has_cache"), "F1", "P4", "Q15", "T1", "T5", "L2", "C13"} <= set(everywhere)
    assert not {"C5", "C8", "Q2"} & set(everywhere)
    assert set(LAWS) - set(laws_for("swap_cache")) == {"C7", "C9", "C10", "C11"} | KNOWN
    assert set(LAWS) - set(laws_for("has_cache")) == {"C4", "C7", "C9", "C10", "C11"}
    assert set(LAWS) - set(laws_for("swap_table_count")) == {"C3", "C4", "C5", "C7", "C12"} | KNOWN
    with pytest.raises(ValueError, match="no laws for protocol 'nobody': the catalogue has unsynchronized"):
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
        world.put("folios", w.CACHED_PFN, "flags", w.SWAPCACHE)
        world.put("percpu", 1, "events", 1, nth=EVENTS.index("read_errors"))
        assert on_folio(world, w.CACHED_PFN) == set()


def test_laws_of_a_page_table_entry_look_at_that_entry_alone() -> None:
    for pte, expected in (
        (w.pte_of_slot(1000), {"P1"}),
        (w.pte_of_slot(w.A_FREE_SLOT), {"P1", "P4", "Q15"}),
        (w.pte_of_slot(w.CACHED_SLOT), {"P4", "Q15"}),
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


def forged(laws: str, array: str, index: int, field: str | None, value: int, step: tuple[Any, ...], **fields: Any) -> Played:
    """Page 0 of mm 0 is swapped out, one word is forged, and CPU 1 takes a step. `index` -1: the folio of the page."""
    machine = Machine(small_spec("swap_cache", "cooperative", laws=laws, **fields))
    machine.play_soundly({0: OUT + ([("load", 0, 0)] if "device" in fields else [])})
    with Snapshot(machine.buf) as snapshot:
        span = snapshot.arrays()[array]
        at = span.offset + (snapshot.mm(0).ptes[0].pfn or 0 if index < 0 else index) * span.item
    if field is not None:
        at += field_offsets()[{"folios": "folio_t", "clusters": "swap_cluster_info"}[array]][field][0]
    machine.buf[at] = value
    return machine.play({1: [step]})[0]


@pytest.mark.parametrize(
    ("law", "what", "forge", "step"),
    [
        ("C1", "device 0 cluster 0: count is 5", ("clusters", 0, "count", 5), ("load", 0, 0)),
        ("F8", "folio .* has no reference", ("folios", -1, "mapcount", 0), ("pageout", 0, 0)),
        ("Q15", "mm 0 page 0: the stamp is", ("blocks", 0, None, 9), ("load", 0, 0)),
        ("T4", "CPU 1 dropped the only good copy", ("blocks", 0, None, 9), ("pageout", 0, 0)),
        ("Q15", "CPU 1 loaded what was not stored last", ("expected", 0, None, 9), ("load", 0, 0)),
    ],
)
def test_what_is_broken_is_told_at_that_very_place(law: str, what: str, forge: tuple[Any, ...], step: tuple[Any, ...]) -> None:
    pass
