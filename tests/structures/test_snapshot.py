"""The read-only view says what lies in memory, and stands whatever lies there."""

from __future__ import annotations

import mmap
import random
import re
from pathlib import Path

import pytest

from shm import records
from shm.errors import SegmentError
from shm.records import Entry, HeldLock, TraceRecord
from shm.snapshot import Snapshot
from tests.laws import world as w
from tests.laws.world import GEOMETRY, fresh, inhabited
from workers.catalogue import PROTOCOLS
from workers.invariants.registry import check_at_rest, laws_for


@pytest.mark.parametrize(
    ("header", "prefix", "end", "names"),
    [
        ("vmstat", "EV_", "NR_EVENTS", records.EVENTS),
        ("vmstat", "WAIT_", "NR_WAITS", records.WAITS),
        ("vmstat", "LAT_", "NR_LATENCIES", records.LATENCIES),
        ("vmstat", "WARN_", "NR_WARNINGS", records.WARNINGS),
        ("vmstat", "", "NR_GAUGES", records.GAUGES),
        ("folio", "PG_", None, records.FOLIO_FLAGS),
        ("cluster", "CLUSTER_FLAG_", "NR_CLUSTER_FLAGS", records.CLUSTER_FLAGS),
        ("percpu", "PHASE_", None, records.PHASES),
        ("percpu", "WAIT_MODE_", None, records.WAIT_MODES),
        ("mm", "MM_", None, records.MM_STATES),
        ("trace", "TRACE_", "NR_TRACE_KINDS", records.TRACE_KINDS),
    ],
)
def test_names_are_those_of_the_headers(
    checkout: Path, header: str, prefix: str, end: str | None, names: tuple[str, ...]
) -> None:
    text = (checkout / "shm" / f"{header}.pxd").read_text()
    for enum in re.findall(r"^cdef enum:.*\n((?:    .+\n)+)", text, re.MULTILINE):
        found = [match.lower() for match in re.findall(r"^    ([A-Z_0-9]+)", enum, re.MULTILINE)]
        if all(name.startswith(prefix.lower()) for name in found if end is None or name != end.lower()) and (
            end is None or end.lower() in found
        ):
            members = [name.removeprefix(prefix.lower()) for name in found if end is None or name != end.lower()]
            if members[0] == names[0]:
                assert tuple(members) == names
                return
    pytest.fail(f"{header}.pxd has no enum of {prefix}*")


def test_lock_classes_are_those_of_the_header_and_of_lockdep(checkout: Path) -> None:
    found = re.findall(r"^    CLASS_([A-Z_]+) = (\d+)", (checkout / "shm" / "lock.pxd").read_text(), re.MULTILINE)
    assert [int(number) for _, number in found] == list(range(len(records.LOCK_CLASSES)))
    kernel_names = {"xa": "i_pages", "waitqueue": "wait_queue", "mmap": "mmap_lock", "swapon": "swapon_mutex"}
    assert tuple(kernel_names.get(name.lower(), name.lower()) for name, _ in found) == records.LOCK_CLASSES


def test_slots_folios_and_pages() -> None:
    with inhabited() as world, Snapshot(world.buf) as snapshot:
        swapped, cached = snapshot.slot(0, w.SWAPPED_SLOT), snapshot.slot(0, w.CACHED_SLOT)
        assert (swapped.count, swapped.has_cache, swapped.kind, swapped.value) == (1, False, "shadow", 77)
        assert (swapped.memcg, swapped.handle) == (1, 0)
        assert (cached.count, cached.has_cache, cached.kind, cached.value) == (1, True, "pfn", w.CACHED_PFN)
        assert cached.handle == 1
        folio = snapshot.folio(w.CACHED_PFN)
        assert folio.flags == ("uptodate", "swapcache", "swapbacked")
        assert (folio.swap, folio.memcg, folio.stamp) == (Entry(0, w.CACHED_SLOT), 1, 102)
        assert folio.identity == 1 << 32 | w.CACHED
        present, out, _ = snapshot.mm(0).ptes
        assert (present.page, present.pfn, present.entry, present.writable) == (0, w.MAPPED_PFN, None, True)
        assert (out.page, out.pfn, out.entry, out.expected) == (1, None, Entry(0, w.SWAPPED_SLOT), 101)
        assert snapshot.mm(0).state == "live"
        assert (snapshot.memcg(1).memory, snapshot.memcg(1).swap) == (2, 2)
        assert snapshot.device(0).lists["nonfull"] == [0, 3, 1]
        assert w.CACHED_PFN not in snapshot.free_folios()


def test_the_block_of_a_cpu() -> None:
    with fresh() as world, Snapshot(world.buf) as snapshot:
        world.put("percpu", 1, "phase", 2)
        world.put("percpu", 1, "wait_mode", 3)
        world.put("percpu", 1, "claimed_entry", 1 << 58 | 9)
        world.put("percpu", 1, "cluster_next", 1 << 58 | 3, nth=1)
        world.put("percpu", 1, "users", -2)
        world.warn("stale_load", cpu=1)
        cpu = snapshot.percpu(1)
        assert (cpu.phase, cpu.wait_mode, cpu.claimed, cpu.reserved) == ("running", "writeback", Entry(1, 9), None)
        assert (cpu.cluster_next, cpu.users) == ((None, Entry(1, 3), None, None, None), (-2, 0))
        assert {name: warning.count for name, warning in cpu.warnings.items() if warning.count} == {"stale_load": 1}
        assert set(cpu.events.values()) == {0}
        assert snapshot.percpu(0).phase == "unused"


def test_held_locks_are_told_by_name_and_holder() -> None:
    with fresh() as world, Snapshot(world.buf) as snapshot:
        world.put("clusters", 5, "lock", 9 << 8 | 2)
        assert snapshot.locks_held() == [HeldLock("cluster", 5, 1, 9)]
        assert snapshot.cluster(1, 1).locked_by == 1


def test_a_trace_ring_is_told_oldest_first() -> None:
    with fresh() as world, Snapshot(world.buf) as snapshot:
        assert snapshot.trace(1) == []
        for i in range(11):
            span = world.arrays["traces"]
            at = span.offset + (GEOMETRY.trace_records + i % GEOMETRY.trace_records) * span.item
            record = (1000 + i).to_bytes(8, "little") + (17).to_bytes(8, "little") + i.to_bytes(4, "little")
            world.buf[at : at + 24] = record + (4).to_bytes(2, "little") + (6).to_bytes(2, "little")
            world.put("percpu", 1, "trace_head", i + 1)
        told = snapshot.trace(1)
        assert [record.at_ns for record in told] == list(range(1003, 1011))
        assert told[-1] == TraceRecord(1010, "add_folio", Entry(0, 17), 10, 6)


def test_a_histogram_adds_up_over_the_cpus() -> None:
    with fresh() as world, Snapshot(world.buf) as snapshot:
        which = records.LATENCIES.index("cow")
        for cpu, (count, sum_ns) in enumerate([(1, 200), (2, 400)]):
            at, size = world.fields["percpu_t"]["latencies"]
            here = world.arrays["percpu"].offset + cpu * world.arrays["percpu"].item + at + which * size
            for offset, value in ((0, count), (8, sum_ns), (16, 200), (32 + 8 * 200, count)):
                world.buf[here + offset : here + offset + 8] = value.to_bytes(8, "little")
        told = {"lower_ns": [200], "upper_ns": [201], "counts": [3], "total": 3, "sum_ns": 600, "max_ns": 200}
        assert snapshot.histogram("cow") == told
        assert snapshot.histogram("fork")["total"] == 0
        with pytest.raises(ValueError, match="no latency 'nap': there are swap_in"):
            snapshot.histogram("nap")


def test_what_is_not_there_is_refused() -> None:
    with fresh() as world, Snapshot(world.buf) as snapshot:
        for ask, message in (
            (lambda: snapshot.device(2), "device 2: the segment has 2"),
            (lambda: snapshot.slot(0, 60), "slot 60: the segment has 60"),
            (lambda: snapshot.slot(0, -1), "slot -1"),
            (lambda: snapshot.folio(16), "folio 16"),
            (lambda: snapshot.cluster(0, 4), "cluster 4"),
            (lambda: snapshot.mm(2), "mm 2"),
            (lambda: snapshot.memcg(3), "memcg 3"),
            (lambda: snapshot.percpu(2), "cpu 2"),
        ):
            with pytest.raises(IndexError, match=message):
                ask()


def test_a_mapping_is_closed_only_after_its_snapshot() -> None:
    with mmap.mmap(-1, 1 << 20) as buf:
        with pytest.raises(SegmentError, match="holds no formatted segment: geometry: cpus is 0"):
            Snapshot(buf)
        with pytest.raises(SegmentError, match="the buffer has 100 bytes"):
            Snapshot(b"x" * 100)
    with fresh() as world:
        with pytest.raises(SegmentError, match="it is cut"):
            Snapshot(bytes(world.buf[:-4096]))
        snapshot = Snapshot(world.buf)
        with pytest.raises(BufferError):
            world.buf.close()
        snapshot.release()
        snapshot.release()
        with pytest.raises(SegmentError, match="released"):
            snapshot.folio(1)


def everything(snapshot: Snapshot) -> int:
    """Ask all there is to ask; how many rows came."""
    geometry = snapshot.geometry
    rows: list[object] = [snapshot.control(), *snapshot.devices(), *snapshot.locks_held(), *snapshot.free_folios()]
    for device in range(geometry.devices):
        rows += [*snapshot.clusters(device), *(snapshot.slot(device, i) for i in range(geometry.slots))]
    rows += [snapshot.folio(i) for i in range(geometry.folios)] + [snapshot.mm(i) for i in range(geometry.mms)]
    rows += [snapshot.memcg(i) for i in range(geometry.memcgs + 1)]
    for cpu in range(geometry.cpus):
        rows += [snapshot.percpu(cpu), *snapshot.trace(cpu)]
    rows += [snapshot.histogram(latency) for latency in records.LATENCIES]
    return len(rows)


@pytest.mark.parametrize("seed", range(12))
def test_a_broken_segment_is_told_and_judged_all_the_same(seed: int) -> None:
    """Random words behind the header, all of them or few: nothing is followed out of the segment, nothing loops."""
    dice = random.Random(seed)
    with inhabited() as world:
        if seed % 3 == 0:
            world.buf[4096:] = dice.randbytes(len(world.buf) - 4096)
        else:
            for _ in range(10 ** (seed % 4)):
                span = world.arrays[dice.choice([name for name, span in world.arrays.items() if span.count])]
                at = span.offset + dice.randrange(0, max(4, min(span.item * span.count, 4096)), 4)
                world.buf[at : at + 4] = dice.choice([b"\xff" * 4, bytes(4), dice.randbytes(4), b"\x05\0\0\0"])
        with Snapshot(world.buf) as snapshot:
            assert everything(snapshot) > 150
        for protocol in PROTOCOLS:
            findings = check_at_rest(world.buf, protocol)
            expected = {"C1", "Q1", "Q9"} | ({"C3"} & set(laws_for(protocol)))
            assert seed % 3 or expected <= {finding["law"] for finding in findings}
