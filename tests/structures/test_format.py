"""A freshly formatted segment: every cluster on its list, every folio free, every slot empty."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import pytest

from shm.encoding import BAD_WORD
from shm.geometry import Geometry
from shm.snapshot import Snapshot
from tests.laws.world import GEOMETRY, fresh
from workers.catalogue import PROTOCOLS
from workers.invariants.registry import check_at_rest

GEOMETRIES = [
    GEOMETRY,
    replace(GEOMETRY, slots=64),
    replace(GEOMETRY, slots=16, tables=2),
    replace(GEOMETRY, slots=2, tables=2),
    replace(GEOMETRY, cpus=80, devices=1, slots=5000, cluster_slots=512, lock_kind=1, payload_bytes=4096),
]


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_all_laws_hold(geometry: Geometry, protocol: str) -> None:
    with fresh(geometry) as world:
        assert check_at_rest(world.buf, protocol) == []


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_every_cluster_is_on_the_list_of_its_flag(geometry: Geometry) -> None:
    with fresh(geometry) as world, Snapshot(world.buf) as snapshot:
        for number, device in enumerate(snapshot.devices()):
            lists = {flag: members for flag, members in device.lists.items() if members}
            clusters = list(snapshot.clusters(number))
            assert sorted(chain(*lists.values())) == list(range(geometry.clusters))
            assert {c.index: c.flag for c in clusters} == {i: flag for flag, members in lists.items() for i in members}
            assert set(lists) <= {"free", "nonfull"}
            for cluster in clusters:
                beyond = max(0, (cluster.index + 1) * geometry.cluster_slots - geometry.slots)
                assert cluster.count == beyond + (cluster.index == 0)
                assert (cluster.table is None) == (cluster.count == 0)
                assert cluster.owner is cluster.locked_by is None


def test_devices_are_on_and_empty() -> None:
    with fresh() as world, Snapshot(world.buf) as snapshot:
        for device in snapshot.devices():
            assert device.used
            assert device.writeok
            assert device.synchronous
            assert not device.dead
            assert (device.inuse_pages, device.pages, device.max, device.users) == (0, 59, 60, 0)
        assert snapshot.control().nr_swap_pages == snapshot.control().total_swap_pages == 2 * 59


def test_slots_are_empty_but_for_the_header() -> None:
    with fresh() as world, Snapshot(world.buf) as snapshot:
        for device in range(2):
            header, *slots = (snapshot.slot(device, i) for i in range(GEOMETRY.slots))
            assert header.bad
            assert header.kind == "bad"
            assert header.word == BAD_WORD
            assert {(s.byte, s.word, s.memcg, s.handle) for s in slots} == {(0, 0, 0, None)}


def test_folios_are_free_shared_out_and_empty() -> None:
    with fresh() as world, Snapshot(world.buf) as snapshot:
        assert sorted(snapshot.free_folios()) == list(range(1, GEOMETRY.folios))
        for pfn in range(GEOMETRY.folios):
            folio = snapshot.folio(pfn)
            assert (folio.flags, folio.refcount, folio.mapcount, folio.swap) == ((), 0, 0, None)


def test_mms_and_memcgs_are_empty() -> None:
    with fresh() as world, Snapshot(world.buf) as snapshot:
        assert [(snapshot.mm(i).state, snapshot.mm(i).ptes) for i in range(2)] == [("unused", [])] * 2
        for i in range(GEOMETRY.memcgs + 1):
            memcg = snapshot.memcg(i)
            assert (memcg.memory, memcg.memsw, memcg.swap, memcg.id_refs, memcg.nr_swap) == (0, 0, 0, 1, 0)
            assert (memcg.memory_limit, memcg.memsw_limit, memcg.swap_limit) == (None, None, None)


def test_nobody_holds_a_lock() -> None:
    with fresh() as world, Snapshot(world.buf) as snapshot:
        assert snapshot.locks_held() == []
