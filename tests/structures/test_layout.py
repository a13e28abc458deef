"""Sizes, alignment, and what a geometry may be."""

from __future__ import annotations

import mmap
from dataclasses import replace

import pytest

from shm.errors import GeometryError, SegmentError
from shm.geometry import Geometry
from shm.layout import bytes_per_slot, format_segment, size_of, sizes
from shm.snapshot import Snapshot, field_offsets
from tests.laws.world import GEOMETRY, fresh

LINE_BYTES = 64
LINED = {"percpu", "wait_queues", "devices", "clusters", "xa_locks", "folios", "memcgs", "anon_vmas", "mms", "ptls"}
TERABYTE = Geometry(
    cpus=2,
    devices=1,
    slots=1 << 28,
    cluster_slots=512,
    tables=1 << 19,
    blocks=1 << 16,
    folios=1 << 16,
    mms=2,
    pages=1 << 16,
    memcgs=1,
    payload_bytes=64,
    trace_records=1024,
    lock_kind=0,
)


def test_a_slot_takes_at_most_sixteen_bytes_beside_its_payload() -> None:
    assert 15 < bytes_per_slot(TERABYTE) <= 16
    assert bytes_per_slot(replace(TERABYTE, slots=1 << 20, tables=1 << 11)) <= 16


def test_a_tebibyte_of_swap_fits_in_four_gibibytes() -> None:
    assert TERABYTE.slots * 4096 == 1 << 40
    assert size_of(TERABYTE) < 4 << 30


def test_structures_fill_whole_lines() -> None:
    assert sizes()["lock_t"] == LINE_BYTES
    assert sizes()["swap_cluster_info"] == 2 * LINE_BYTES
    assert sizes()["folio_t"] == LINE_BYTES
    with fresh() as world:
        unaligned = {name: span for name, span in world.arrays.items() if span.offset % LINE_BYTES}
        assert unaligned == {}
        assert {name for name in LINED if world.arrays[name].item % LINE_BYTES} == set()


def test_arrays_follow_one_another_and_end_with_the_segment() -> None:
    with fresh() as world:
        spans = list(world.arrays.items())
    ends = 4096
    for name, span in spans:
        assert ends <= span.offset < ends + LINE_BYTES, name
        ends = span.offset + span.item * span.count
    assert size_of(GEOMETRY) - 4096 < ends <= size_of(GEOMETRY)
    assert size_of(GEOMETRY) % 4096 == 0


def test_fields_lie_within_their_structures() -> None:
    for name, fields in field_offsets().items():
        for field, (offset, size) in fields.items():
            assert offset + size <= sizes()[name], f"{name}.{field}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cpus": 0}, "geometry: cpus is 0; it must lie between 1 and 1088"),
        ({"cpus": 1089}, "cpus is 1089"),
        ({"devices": 5}, "devices is 5; it must lie between 1 and 4"),
        ({"slots": 1}, "slots is 1; it must lie between 2 and 268435456"),
        ({"slots": (1 << 28) + 1}, "slots is 268435457"),
        ({"cluster_slots": 4}, "cluster_slots is 4; it must lie between 8 and 512"),
        ({"cluster_slots": 24}, "cluster_slots is 24; it must be a power of two"),
        ({"payload_bytes": 100}, "payload_bytes is 100; it must be a multiple of 64"),
        ({"payload_bytes": 8192}, "payload_bytes is 8192"),
        ({"folios": 1}, "folios is 1"),
        ({"mms": 1025}, "mms is 1025"),
        ({"memcgs": 0}, "memcgs is 0"),
        ({"lock_kind": 2}, "lock_kind is 2; it must lie between 0 and 1"),
        ({"trace_records": 0}, "trace_records is 0"),
    ],
)
def test_a_geometry_that_cannot_be_is_refused(change: dict[str, int], message: str) -> None:
    with pytest.raises(GeometryError, match=message):
        replace(GEOMETRY, **change)


def test_a_buffer_that_is_too_small_is_not_formatted() -> None:
    with mmap.mmap(-1, 8192) as buf:
        with pytest.raises(SegmentError, match=f"segment has 8192 bytes, its geometry needs {size_of(GEOMETRY)}"):
            format_segment(buf, GEOMETRY, True)
        assert bytes(buf) == bytes(8192)


def test_a_snapshot_reads_back_the_geometry() -> None:
    with fresh() as world, Snapshot(world.buf) as snapshot:
        assert snapshot.geometry == GEOMETRY
