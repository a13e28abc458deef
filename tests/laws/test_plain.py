"""A glance leaves no breach out: wherever words are forged, the laws find with it what they find without it."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from shm.snapshot import Snapshot
from tests.laws import world as w
from tests.laws.world import World, fresh, inhabit
from workers.catalogue import PROTOCOLS
from workers.invariants.registry import LAWS, Checker
from workers.protocols.registry import protocol as protocol_named

TRIALS = 800
WHOLE = replace(w.GEOMETRY, slots=64)  # a cluster that ends before its last slot is never plain
SLOTS = (0, 1, 15, 16, w.SWAPPED_SLOT, w.CACHED_SLOT, w.CACHED_SLOT + 1, w.A_FREE_SLOT, 31)
BYTES = (0, 1, 2, 62, 63, 64, 65, 0x7F, 0x80, 0x81, 0xC1, 0xFF)
FLAGS = (0, w.UPTODATE, w.SWAPCACHE, w.WRITEBACK, w.DIRTY, w.EXCLUSIVE, w.CLAIMED, w.LOCKED)
FIELDS: dict[str, dict[str, tuple[int, ...]]] = {
    "clusters": {"count": (0, 1, 2, 3, 16, 17), "flags": (0, 1, 2, 4, 5), "table": (0, 1, 16, 17), "swept": (0, 2, 3)},
    "folios": {
        "refcount": (-1, 0, 1, 2),
        "mapcount": (0, 1),
        "swap": (0, w.SWAPPED_SLOT, w.CACHED_SLOT, 63, 64, 1 << 60),
        "order": (0, 1),
    },
    "si": {"flags": (0, 1, 2, 3, 7, 15, 0xFFFF)},
    "percpu": {"reserved_entry": (0, w.CACHED_SLOT, w.A_FREE_SLOT), "claimed_entry": (0, w.A_FREE_SLOT)},
}


def forge(world: World, draw: random.Random) -> None:
    """Write one word of what clusters and folios are judged by."""
    words = [0, w.BAD_WORD, 4, *(w.shadow_word(7, n) for n in (0, 1, 15))]
    words += [w.pfn_word(pfn, n) for pfn in (0, w.MAPPED_PFN, w.CACHED_PFN, 99) for n in (0, 1)]
    what = draw.randrange(5)
    if what == 0 and world.geometry.slot_format != w.SLOTS_TABLE:
        world.word("swap_map", draw.choice(SLOTS), draw.choice(BYTES))
    elif what == 1:
        world.table_word(draw.choice(SLOTS), draw.choice(words))
    elif what == 2:
        world.word("handles", draw.choice(SLOTS), draw.choice((0, 1, 2)))
    elif what == 3:
        pfn = draw.choice((w.MAPPED_PFN, w.CACHED_PFN, w.A_FREE_PFN))
        world.put("folios", pfn, "flags", draw.choice(FLAGS) | draw.choice(FLAGS) | draw.choice(FLAGS))
    else:
        array = draw.choice(tuple(FIELDS))
        field = draw.choice(tuple(FIELDS[array]))
        index = draw.choice((w.MAPPED_PFN, w.CACHED_PFN, w.A_FREE_PFN) if array == "folios" else (0, 1))
        world.put(array, index, field, draw.choice(FIELDS[array][field]))


def found(checker: Checker, snapshot: Snapshot) -> list[Any]:
    """All that is found at rest, and under the lock of each cluster and each folio."""
    told: list[Any] = []
    checker.look_at_rest(snapshot)
    told.append(checker.findings())
    for look, places in (
        (lambda at: checker.look_on_cluster(snapshot, 0, at), range(4)),
        (lambda at: checker.look_on_folio(snapshot, at), (w.MAPPED_PFN, w.CACHED_PFN, w.A_FREE_PFN)),
    ):
        for at in places:
            checker.reset()
            look(at)
            told.append(checker.findings())
    checker.reset()
    return told


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_glance_leaves_nothing_out(protocol: str) -> None:
    draw = random.Random(f"plain {protocol}")
    glancing, asking = Checker(protocol), Checker(protocol, glance=False)
    spoke: set[str] = set()
    with fresh(replace(WHOLE, slot_format=protocol_named(protocol).slot_format)) as world:
        inhabit(world, 2)
        lawful = world.buf[:]
        for trial in range(TRIALS):
            world.buf[:] = lawful
            for _ in range(draw.choice((1, 1, 2, 3, 5))):
                forge(world, draw)
            with Snapshot(world.buf) as snapshot:
                told = found(asking, snapshot)
                assert found(glancing, snapshot) == told, trial
            spoke |= {finding["law"] for findings in told for finding in findings}
    plain = {law.id for law in LAWS.values() if law.plain and protocol in law.protocols} - {"C12"}
    assert plain <= spoke, plain - spoke
