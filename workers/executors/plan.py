"""How large a segment a run needs: the geometry that follows from its spec."""

from __future__ import annotations

from dataclasses import dataclass

from shm.geometry import Geometry
from shm.layout import size_of
from workers.protocols.registry import protocol
from workers.spec import RunSpec
from workers.workloads.catalogue import Shape, files_of, shape_of

FOLIOS_PER_CPU = 64  # beyond the limit: what a CPU may hold isolated, locked, or under writeback
TRACE_RECORDS = 4096
TRACE_RECORDS_KEPT = 16_384  # for a timeline: several ticks of a busy CPU
TRACE_RECORDS_COOPERATIVE = 64  # reset with every schedule
SLOTS_TABLE = 2  # shm/swap_map.pxd
COUNT_IN_WORD = 14  # references that a table word counts without an extend table
COUNT_IN_BYTE = 62  # and a byte of swap_map without a continuation page
MAX_EXT_TABLES = 1 << 12
CONT_PAGES = 64


@dataclass(frozen=True)
class Plan:
    """geometry: counts; size: bytes of the whole segment; workers: processes, those that attend devices last."""

    geometry: Geometry
    size: int
    workers: int
    shape: Shape


def _trace_records(spec: RunSpec) -> int:
    if spec.executor != "processes":
        return TRACE_RECORDS_COOPERATIVE
    return TRACE_RECORDS_KEPT if spec.timeline else TRACE_RECORDS


def attendants(spec: RunSpec) -> list[int | None]:
    """What the CPUs after the working ones do, one after the other: complete the requests of the disk of that number;
    None: discard clusters, of all devices."""
    disks: list[int | None] = [number for number, device in enumerate(spec.devices) if device.kind == "disk"]
    return disks + [None] * any(device.discard for device in spec.devices)


def plan(spec: RunSpec) -> Plan:
    """The plan of a run. Errors: GeometryError, TraceError, ValueError for what no segment can hold."""
    shape = shape_of(spec)
    real = spec.executor == "processes"
    workers = spec.cpus + len(attendants(spec))
    slack = workers * (FOLIOS_PER_CPU if real else 4)
    folios = (spec.folios or shape.resident_pages + slack) + 1
    cluster = spec.cluster_slots or (512 if real else 16)
    inodes, inode_pages = files_of(spec)
    swappable = shape.pages * shape.mms + inodes * inode_pages
    slots = spec.slots or max(2 * swappable, 4 * cluster * spec.cpus if real else 2 * cluster)
    slots = -(-slots // cluster) * cluster
    slot_format = protocol(spec.protocol).slot_format
    devices = len(spec.devices)
    clusters = min(devices * slots // cluster, MAX_EXT_TABLES)
    geometry = Geometry(
        cpus=workers,
        devices=devices,
        slots=slots,
        cluster_slots=cluster,
        tables=devices * slots // cluster,
        blocks=min(slots, swappable + folios),  # pages that can be swapped out, and caches of them
        folios=folios,
        mms=shape.mms,
        pages=shape.pages,
        memcgs=1 + spec.memcg.children,
        payload_bytes=spec.payload_bytes,
        trace_records=_trace_records(spec),
        lock_kind=1 if spec.lock == "sem" else 0,
        slot_format=slot_format,
        ext_tables=clusters if slot_format == SLOTS_TABLE and shape.mms >= COUNT_IN_WORD else 0,
        cont_pages=CONT_PAGES if slot_format != SLOTS_TABLE and shape.mms > COUNT_IN_BYTE else 0,
        anon_orders=sum(1 << order for order in set(spec.anon_orders)),
        shmem_orders=sum(1 << order for order in set(spec.shmem.orders)),
        generations=int(not real and spec.laws != "off"),
        inodes=inodes,
        inode_pages=inode_pages,
        zeromap=int(protocol(spec.protocol).zeromap),
        zswap_pages=spec.zswap.pool_pages,
    )
    return Plan(geometry, size_of(geometry), workers, shape)
