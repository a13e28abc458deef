"""Slots by order: ranges are aligned and of one cluster, clusters keep their order until empty, order 0 steals."""

from __future__ import annotations

from pathlib import Path

import pytest

from shm.snapshot import Snapshot
from workers.executors.script import Machine, small_spec

ENOMEM = -12
FILE = Path(__file__).parent / "ordered.pyx"
HAS_CACHE = 0x40


@pytest.mark.parametrize("executor", ["processes", "cooperative"])
def test_ranges_of_all_orders_come_and_go(executor: str) -> None:
    m = Machine(small_spec(f"{FILE}:TakesAndGives", executor))
    m.play_soundly({0: [("mm_init", mm) for mm in range(3)]})
    race = {cpu: [("store", cpu, 0, 6), ("pageout", cpu, 0, 6), ("load", cpu, 0, 6)] for cpu in range(3)}
    played = m.play_soundly(race, 200 if executor == "cooperative" else 20)
    assert {result for results in played.results.values() for result in (results[0], results[2])} <= {0, ENOMEM}


def pairs(slots: int, folios: int, protocol: str = "KeepsPairs") -> Machine:
    """Mm 0 with so many pages swapped out, each, or the first two, beside a pair of slots that nobody has."""
    m = Machine(small_spec(f"{FILE}:{protocol}", "cooperative", laws="off", pages=16, slots=slots))
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, folios), ("pageout", 0, 0, folios)]})
    return m


def kept(s: Snapshot) -> list[int]:
    """Slots with SWAP_HAS_CACHE and without a reference: those of the pairs."""
    return [i for i in range(s.geometry.slots) if s.slot(0, i).byte == HAS_CACHE]


def test_a_range_is_aligned_and_its_cluster_has_its_order() -> None:
    with Snapshot(pairs(48, 4).buf) as s:
        found = kept(s)
        assert len(found) == 8
        assert found == [slot for first in found[::2] for slot in (first, first + 1)]
        assert all(first % 2 == 0 for first in found[::2])
        assert {s.cluster(0, slot // 8).order for slot in found} == {1}
        assert s.cluster(0, 0).order == 0  # the header's: never empty


def test_each_order_has_its_lists() -> None:
    with Snapshot(pairs(48, 6).buf) as s:
        lists = s.device(0).lists
        assert lists["frag[1]"]
        assert lists["frag"]
        for cluster in s.clusters(0):
            if cluster.flag in ("nonfull", "frag"):
                name = cluster.flag + (f"[{cluster.order}]" if cluster.order else "")
                assert cluster.index in lists[name]


def test_order_0_steals_when_its_own_clusters_are_full() -> None:
    """Cluster 0 has 7 slots for order 0, cluster 1 is of order 1: the eighth and ninth page lie beside two pairs."""
    with Snapshot(pairs(16, 9, "KeepsTwoPairs").buf) as s:
        assert s.cluster(0, 1).order == 1
        assert s.cluster(0, 1).count == 6
        swapped = {pte.entry.offset for pte in s.mm(0).ptes if pte.entry is not None}
        assert len(swapped) == 9
        assert sum(offset >= 8 for offset in swapped) == 2


def test_a_higher_order_takes_no_part_of_another_orders_cluster() -> None:
    """Order 0 fills its cluster 0 first; no pair ever lies there, however many slots are free."""
    with Snapshot(pairs(16, 3).buf) as s:
        assert all(slot >= 8 for slot in kept(s))
