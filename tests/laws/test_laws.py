"""Every law can fail: one word forged in a lawful world, and exactly the laws that must speak do."""

from __future__ import annotations

import pytest

from shm.snapshot import Snapshot
from tests.laws import world as w
from tests.laws.forgeries import FORGERIES, OTHER_FORMATS, Forge, cache_only, digits, page, put, word
from tests.laws.world import World, fresh, inhabited
from workers.catalogue import PROTOCOLS
from workers.invariants.registry import LAWS, check_at_rest

KNOWN = {law.id for law in LAWS.values() if "swap_cache" in law.known_broken}


def broken(world: World, protocol: str = "swap_cache") -> set[str]:
    """The laws that speak at rest."""
    return {finding["law"] for finding in check_at_rest(world.buf, protocol)}


def test_every_law_has_a_test_that_makes_it_fail() -> None:
    assert set(FORGERIES) | set(OTHER_FORMATS) | {"P4"} == set(LAWS)  # P4 is not asked at rest: test_every_unlock
    for law, forgeries in FORGERIES.items():
        assert all(law in laws for _, laws in forgeries), law


@pytest.mark.parametrize("memcg_version", [1, 2])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_laws_hold_in_a_lawful_world(protocol: str, memcg_version: int) -> None:
    with fresh() as world:
        assert check_at_rest(world.buf, protocol) == []
    slot_format = {"swap_table": w.SLOTS_MAP, "swap_table_count": w.SLOTS_TABLE}.get(protocol, 0)
    with inhabited(memcg_version, slot_format) as world:
        assert check_at_rest(world.buf, protocol) == []


@pytest.mark.parametrize(
    ("law", "forge", "expected"), [(law, forge, laws) for law, cases in FORGERIES.items() for forge, laws in cases]
)
def test_a_forged_word_breaks_exactly_its_laws(law: str, forge: Forge, expected: set[str]) -> None:
    with inhabited() as world:
        forge(world)
        findings = check_at_rest(world.buf, "swap_cache" if law not in KNOWN else "has_cache")
        assert {finding["law"] for finding in findings} == expected
    told = next(finding for finding in findings if finding["law"] == law)
    assert told["count"] >= 1
    assert told["sentence"] == LAWS[law].sentence
    assert "%" not in told["detail"]
    assert len(told["detail"]) > 10


@pytest.mark.parametrize("law", sorted(OTHER_FORMATS))
def test_laws_of_other_slot_formats_can_fail(law: str) -> None:
    protocol, slot_format, forgeries = OTHER_FORMATS[law]
    for forge, expected in forgeries:
        with inhabited(slot_format=slot_format) as world:
            assert broken(world, protocol) == set()
            forge(world)
            assert broken(world, protocol) == expected
            assert law in expected


def test_a_count_goes_on_in_its_digits() -> None:
    """1 in the byte, 2 in the first digit, 3 in the second: 1 + 2 * 63 + 3 * 63 * 128 references."""
    with inhabited() as world:
        digits(w.SWAPPED_SLOT, 0x81, [0x82, 3])(world)
        with Snapshot(world.buf) as snapshot:
            assert snapshot.slot(0, w.SWAPPED_SLOT).count == 1 + 2 * 63 + 3 * 63 * 128
        assert broken(world) == {"Q1"}


def test_a_page_in_zswap_and_one_of_zeroes_are_lawful() -> None:
    with inhabited() as world:
        world.keep_in_zswap(2, w.SWAPPED_SLOT, w.SWAPPED, 101)
        world.word("handles", w.SWAPPED_SLOT, 0)
        assert broken(world) == set()
    with inhabited() as world:
        world.page(w.SWAPPED, w.pte_of_slot(w.SWAPPED_SLOT), 0)
        world.word("zeromap", 0, 1 << w.SWAPPED_SLOT)
        assert broken(world) == set()


def test_what_exited_mms_leave_behind() -> None:
    for forge, expected in (
        (put("memcgs", 2, "memory", 1), {"Q13", "Q19"}),
        (page(7, w.MAPPED_PFN << 9 | w.PRESENT_PTE_BITS), {"Q19"}),
        (put("percpu", 0, "free_head", 0), {"Q7", "Q19"}),
    ):
        with fresh() as world:
            forge(world)
            assert broken(world) == expected


def switch_off(world: World) -> None:
    """Device 1 as swapoff leaves it: the tables of its bad slots go back too."""
    world.put("si", 1, "flags", 0)
    world.put("si", 1, "inuse_pages", w.OFF_THE_LIST)
    world.put("swap_avail", 0, "nr", 1)
    world.put("control", 0, "nr_swap_pages", w.GEOMETRY.slots - 3)
    world.put("control", 0, "total_swap_pages", w.GEOMETRY.slots - 1)
    for cluster in (0, 3):
        world.put("clusters", w.GEOMETRY.clusters + cluster, "table", 0)


def test_a_device_that_is_off() -> None:
    with inhabited() as world:
        switch_off(world)
        assert broken(world) == set()
        world.put("percpu", 1, "cluster_next", 1 << 58 | 2, nth=1)
        assert broken(world) == {"Q18"}
    for forge, expected in (
        (put("folios", w.MAPPED_PFN, "swap", 1 << 58 | 9), {"F1", "Q18"}),
        (word("swap_cgroup", w.GEOMETRY.slots + 9, 2), {"Q11", "Q12", "Q18"}),
        (put("si", 1, "inuse_pages", w.OFF_THE_LIST + 1), {"Q2", "Q18"}),
        (put("clusters", w.GEOMETRY.clusters, "table", 3), {"Q18"}),
    ):
        with inhabited() as world:
            switch_off(world)
            forge(world)
            assert broken(world) == expected


def test_has_cache_may_hold_the_bit_without_a_folio_while_a_claim_lives() -> None:
    """C4 is not a law of has_cache: its claims are seen by L3, at rest."""
    with inhabited() as world:
        world.word("swap_map", w.SWAPPED_SLOT, 1 | w.HAS_CACHE)
        assert broken(world, "has_cache") == {"L3", "Q8"}
    with inhabited() as world:
        world.word("swap_map", w.CACHED_SLOT, 1)
        assert broken(world, "has_cache") == {"C5", "Q8"}


def test_a_slot_that_only_its_cache_pins_is_lawful_where_the_cache_can_go() -> None:
    with inhabited() as world:
        cache_only()(world)
        assert broken(world) == set()
        world.put("folios", w.CACHED_PFN, "flags", w.UPTODATE | w.SWAPCACHE | w.DIRTY)
        world.word("handles", w.CACHED_SLOT, 0)
        assert broken(world) == set()


def test_a_folio_that_a_program_has_stored_to_is_dirty_by_its_pte() -> None:
    """Q17: the slot holds what was there before the store, until the folio is unmapped."""
    with inhabited() as world:
        world.page(w.CACHED, w.CACHED_PFN << 9 | w.PRESENT_PTE_BITS, 103)
        world.content("payloads", w.CACHED_PFN, w.CACHED, 103)
        world.word("swap_map", w.CACHED_SLOT, w.HAS_CACHE)
        world.put("folios", w.CACHED_PFN, "refcount", 2)
        world.put("folios", w.CACHED_PFN, "mapcount", 1)
        assert broken(world) == set(), "nobody reads the slot"
        world.word("swap_map", w.CACHED_SLOT, 1 | w.HAS_CACHE)
        assert broken(world) == {"Q1", "Q17"}
        world.page(w.CACHED, w.CACHED_PFN << 9 | w.PRESENT_PTE_BITS | w.PTE_DIRTY, 103)
        assert broken(world) == {"Q1"}


def test_laws_write_nothing() -> None:
    with inhabited() as world:
        world.put("clusters", 1, "count", 9)
        before = bytes(world.buf)
        assert check_at_rest(before, "swap_cache") == check_at_rest(world.buf, "swap_cache")
        assert bytes(world.buf) == before
