"""What a client of the API may ask for beyond what a spec allows: known names, and the caps of the settings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from server.config import Settings
from server.errors import Fault, ProblemError
from workers.catalogue import PROTOCOLS
from workers.spec import RunSpec

# What a thing takes in a segment, at most; the test compares with the sizes that the compiled core plans.
CPU_BYTES = 512 << 10  # its block, its histograms, its trace ring
TIMELINE_BYTES = 320 << 10  # what its trace ring has more for a timeline
FIXED_BYTES = 1 << 20
FOLIOS_PER_CPU = 64
FOLIO_BYTES = 128  # beside the payload
REQUEST_BYTES = 24  # a folio has one on each device
SLOT_BYTES = 24
SLOT_IN_ZSWAP_BYTES = 4  # more, where there is zswap
ZSWAP_ENTRY_BYTES = 36  # beside the payload
CLUSTER_BYTES = 256
BLOCK_BYTES = 8  # beside the payload
PTE_BYTES = 24
INODE_BYTES = 256
DEFAULT_PAGES = 4096  # of one mm, where the spec does not say: the largest of any scenario but
ZRAM_SWAPIN_PAGES = 1 << 18  # 1 GiB
DEFAULT_CLUSTER_SLOTS = {"processes": 512, "cooperative": 16}
ONE_MM = ("thread_fault", "zram_swapin", "swapoff_loop", "shmem_fault")

TRACE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # a name, never a path: a client reads no files of the host


def faults_of(spec: RunSpec, settings: Settings, pointer: str = "#") -> Iterator[Fault]:
    """What is wrong with a spec that parses; `pointer` is where the spec stands in the body."""
    if spec.protocol not in PROTOCOLS:
        known = ", ".join(sorted(PROTOCOLS))
        yield Fault(pointer=f"{pointer}/protocol", detail=f"there is no protocol {spec.protocol!r}; there are: {known}")
    if spec.cpus > settings.max_cpus:
        yield Fault(pointer=f"{pointer}/cpus", detail=f"this server runs up to {settings.max_cpus} CPUs")
    if spec.seconds > settings.max_seconds:
        yield Fault(pointer=f"{pointer}/seconds", detail=f"this server runs up to {settings.max_seconds:g} s")
    needed = segment_bound_bytes(spec)
    if needed > settings.max_segment_bytes:
        most = f"a segment of {settings.max_segment_bytes >> 20} MiB at most"
        detail = f"this server makes {most}; this needs up to {needed >> 20} MiB: ask for fewer pages, slots or folios"
        yield Fault(pointer=pointer, detail=detail)
    if spec.trace is not None and not TRACE_NAME.fullmatch(spec.trace):
        yield Fault(pointer=f"{pointer}/trace", detail="give the name of a trace of the catalogue; paths are refused")


def segment_bound_bytes(spec: RunSpec) -> int:
    """Bytes that the segment of a run takes at most, as far as the spec alone can tell."""
    devices = len(spec.devices)
    cpus = spec.cpus + devices + 1  # a disk has a CPU of its own, and discards one
    one_mm = spec.scenario in ONE_MM and spec.driver == "scenario"
    mms = 1 if one_mm else spec.mms or cpus + 2
    pages = spec.pages or (ZRAM_SWAPIN_PAGES if spec.scenario == "zram_swapin" else DEFAULT_PAGES)
    file_pages = spec.shmem.inodes * spec.shmem.pages + (pages if spec.scenario == "shmem_fault" else 0)
    folios = spec.folios or (spec.memcg.limit_pages or pages * mms) + cpus * (FOLIOS_PER_CPU + 2)
    cluster_slots = spec.cluster_slots or DEFAULT_CLUSTER_SLOTS[spec.executor]
    slots = (spec.slots or max(2 * (pages * mms + file_pages), 4 * cluster_slots * cpus)) + cluster_slots
    blocks = devices * min(slots, pages * mms + file_pages + folios)
    slots *= devices
    return (
        FIXED_BYTES
        + cpus * (CPU_BYTES + (TIMELINE_BYTES if spec.timeline else 0))
        + folios * (FOLIO_BYTES + devices * REQUEST_BYTES + spec.payload_bytes)
        + slots * (SLOT_BYTES + (SLOT_IN_ZSWAP_BYTES if spec.zswap.pool_pages else 0))
        + spec.zswap.pool_pages * (ZSWAP_ENTRY_BYTES + spec.payload_bytes)
        + (slots // cluster_slots + 1) * CLUSTER_BYTES
        + blocks * (BLOCK_BYTES + spec.payload_bytes)
        + (mms * pages + file_pages) * PTE_BYTES
        + spec.shmem.inodes * INODE_BYTES
    )


def refuse_unserved(spec: RunSpec, settings: Settings) -> None:
    """Raise ProblemError for a spec that this server does not run."""
    faults = list(faults_of(spec, settings))
    if faults:
        raise ProblemError(422, "invalid", "The spec asks for what this server does not run; see errors.", faults)
