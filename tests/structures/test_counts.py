"""Worked counts: what the words of a slot hold, reference by reference, on the way up and on the way down."""

from __future__ import annotations

from typing import Any

import pytest

from shm.snapshot import Snapshot
from tests.laws.world import World
from workers.executors.script import Machine, small_spec
from workers.workloads.script import Step

ENOMEM = -12
UNIT = 63  # what the first digit counts
BASE = 128  # of a digit
MAP_PROTOCOLS = ("has_cache", "has_cache_waitqueue", "swap_cache", "swap_table")


def machine(protocol: str, mms: int, **fields: Any) -> Machine:
    """One page of mm 0, swapped out: its slot has one reference."""
    spec = small_spec(protocol, "cooperative", mms=mms, pages=1, slots=16, **{"laws": "every_unlock", **fields})
    made = Machine(spec)
    made.play_soundly({0: [("mm_init", 0), ("store", 0, 0), ("pageout", 0, 0)]})
    return made


def done(on: Machine, *steps: Step) -> list[int | None]:
    """What the steps returned, which CPU 0 did alone."""
    (played,) = on.play({0: list(steps)})
    assert played.sound, played.told()
    return list(played.results[0])


def slot_of(on: Machine) -> int:
    with Snapshot(on.buf) as snapshot:
        (entry,) = {pte.entry for pte in snapshot.mm(0).ptes}
        assert entry is not None
        return int(entry.offset)


def digits(on: Machine, slot: int, pages: int = 2) -> list[int]:
    """Of a slot, in the continuation pages of its page of the map, in the order of their list."""
    world = World(on.buf, on.plan.geometry)
    page = world.read("cont_heads", 0)
    found: list[int] = []
    while page and len(found) < pages:
        found.append(world.read("cont_pages", (page - 1) * min(4096, on.plan.geometry.slots) + slot))
        page = world.read("cont_next", page)
    return found


def byte_and_count(on: Machine, slot: int) -> tuple[int, int]:
    with Snapshot(on.buf) as snapshot:
        found = snapshot.slot(0, slot)
        return found.byte, found.count


@pytest.mark.parametrize("protocol", MAP_PROTOCOLS)
def test_a_byte_carries_at_62_and_borrows_at_63(protocol: str) -> None:
    on = machine(protocol, 2 * UNIT + 3)
    slot = slot_of(on)
    assert byte_and_count(on, slot) == (0x01, 1)
    told = {}
    for child in range(1, 2 * UNIT + 3):
        assert done(on, ("fork", 0, child)) == [0]
        byte, count = byte_and_count(on, slot)
        assert count == child + 1
        told[count] = (byte, digits(on, slot))
    assert told[62] == (0x3E, [])
    assert told[63] == (0x80, [1])  # low digit 0, and more: 1 x 63
    assert told[64] == (0x81, [1])
    assert told[125] == (0xBE, [1])  # 62 + 63
    assert told[126] == (0x80, [2])
    assert told[128] == (0x82, [2])
    for child in range(2 * UNIT + 2, 0, -1):
        assert done(on, ("exit", child)) == [0]
        byte, count = byte_and_count(on, slot)
        assert count == child
        expected = told.get(count, (0x01, [0]))
        assert byte == expected[0]
        assert digits(on, slot)[:1] == (expected[1] or [0])  # the page stays until swapoff


def test_digits_carry_into_the_next_page_and_borrow_from_it() -> None:
    """62 + 127 x 63 references and one more are 128 x 63: the first digit is 0 and goes on, the second is 1."""
    on = machine("has_cache", 70, laws="off")
    slot = slot_of(on)
    for child in range(1, 63):
        assert done(on, ("fork", 0, child)) == [0]
    assert digits(on, slot) == [1]
    world = World(on.buf, on.plan.geometry)
    world.word("swap_map", slot, 0x80 | 62)
    world.word("cont_pages", (world.read("cont_heads", 0) - 1) * on.plan.geometry.slots + slot, 127)
    assert byte_and_count(on, slot) == (0xBE, 62 + 127 * UNIT)
    assert done(on, ("fork", 0, 63)) == [0]
    assert (byte_and_count(on, slot), digits(on, slot)) == ((0x80, BASE * UNIT), [0x80, 1])
    assert done(on, ("fork", 0, 64)) == [0]
    assert (byte_and_count(on, slot), digits(on, slot)) == ((0x81, BASE * UNIT + 1), [0x80, 1])
    assert done(on, ("exit", 64), ("exit", 63)) == [0, 0]
    assert (byte_and_count(on, slot), digits(on, slot)) == ((0xBE, 62 + 127 * UNIT), [127, 0])


def word_and_extended(on: Machine, slot: int) -> tuple[str, int, int]:
    """The kind of a slot's word, its count bits, and what its extend table holds for it; 0 where there is none."""
    world = World(on.buf, on.plan.geometry)
    per = on.plan.geometry.cluster_slots
    ext = world.read("clusters", slot // per, "ext")
    with Snapshot(on.buf) as snapshot:
        found = snapshot.slot(0, slot)
    return found.kind, found.word >> 60, world.read("ext_tables", (ext - 1) * per + slot % per) if ext else -1


def test_a_word_overflows_into_the_extend_table_at_15() -> None:
    """14 -> 15 and 15; 15, n -> n + 1; 15, 16 -> 15; 15, 15 -> 14, and the table goes. -1: there is none."""
    on = machine("swap_table_count", 20)
    slot = slot_of(on)
    told = {}
    for child in range(1, 18):
        assert done(on, ("fork", 0, child)) == [0]
        told[child + 1] = word_and_extended(on, slot)[1:]
    assert told[2] == (2, -1)
    assert told[14] == (14, -1)
    assert told[15] == (15, 15)
    assert told[16] == (15, 16)
    assert told[18] == (15, 18)
    for child in range(17, 0, -1):
        assert done(on, ("exit", child)) == [0]
        assert word_and_extended(on, slot)[1:] == told.get(child, (1, -1))
    assert word_and_extended(on, slot) == ("shadow", 1, -1)


@pytest.mark.parametrize(("protocol", "most"), [("swap_table", 62), ("has_cache", 62), ("swap_table_count", 14)])
def test_a_count_without_memory_for_its_next_digit_stays_as_it_is(protocol: str, most: int) -> None:
    """-ENOMEM: the fork that needs the continuation page, or the extend table, fails, and has left nothing behind."""
    on = machine(protocol, most + 4)
    slot = slot_of(on)
    for child in range(1, most):
        assert done(on, ("fork", 0, child)) == [0]
    before = byte_and_count(on, slot)
    assert before[1] == most
    assert done(on, ("inject", "count_alloc", 1_000_000), ("fork", 0, most)) == [0, ENOMEM]
    assert byte_and_count(on, slot) == before
    assert done(on, ("inject", "count_alloc", 0), ("fork", 0, most)) == [0, 0]
    assert byte_and_count(on, slot)[1] == most + 1


def test_a_cached_slot_without_references_counts_none() -> None:
    """0x40 alone, and a folio's word with a count of 0: the last reference went while the folio was in the cache."""
    disk = {"kind": "disk", "read_ns": 0, "write_ns": 0}
    for protocol, byte in (("has_cache", 0x40), ("swap_cache", 0x40), ("swap_table", 0x00), ("swap_table_count", 0x00)):
        on = machine(protocol, 4, device=disk)
        slot = slot_of(on)
        with Snapshot(on.buf) as snapshot:
            assert snapshot.slot(0, slot).kind == "pfn", "its write has just ended"
        assert done(on, ("load", 0, 0)) == [0]
        with Snapshot(on.buf) as snapshot:
            found = snapshot.slot(0, slot)
        assert (found.kind, found.byte, found.count) == ("pfn", byte, 0)
