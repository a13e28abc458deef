"""Workloads by scenario, and the shape that each takes when a run does not say."""

from __future__ import annotations

from dataclasses import dataclass, replace

from workers.spec import RunSpec
from workers.workloads.devices import SwapoffLoop, ZramSwapin
from workers.workloads.files import ShmemFault
from workers.workloads.mix import Mix
from workers.workloads.programs import KernelBuild, Redis
from workers.workloads.scenarios import ForkFault, ThreadFault, Usemem
from workers.workloads.trace import Trace
from workers.workloads.trace_file import read_header, resolve
from workers.workloads.workload import Workload

CLASSES = {
    "thread_fault": ThreadFault,
    "fork_fault": ForkFault,
    "usemem": Usemem,
    "mix": Mix,
    "trace": Trace,
    "redis": Redis,
    "kernel_build": KernelBuild,
    "zram_swapin": ZramSwapin,
    "swapoff_loop": SwapoffLoop,
    "shmem_fault": ShmemFault,
}
PAGES = {
    "thread_fault": 2048,
    "fork_fault": 2048,
    "usemem": 4096,
    "mix": 256,
    "redis": 4096,
    "zram_swapin": 1 << 18,
    "swapoff_loop": 1024,
    "shmem_fault": 2048,
}
COMPILE = "cc1"  # what kernel_build replays unless a run says otherwise
# One part in so many. usemem: vm-scalability's 31 x 1 GiB in 4 GiB; redis: half of the servers' pages, for a child
# shares those of its server; kernel_build: a compile alone fits, so several must not. All others: half.
RESIDENT_SHARE = {"usemem": 8, "redis": 4, "kernel_build": 4}
ALL_RESIDENT = ("zram_swapin", "swapoff_loop")
PAGES_COOPERATIVE = 6  # few enough that schedules collide


@dataclass(frozen=True)
class Shape:
    """cpus: working ones; pages: of one mm; mms: address spaces; resident_pages: limit of their memcg."""

    cpus: int
    pages: int
    mms: int
    resident_pages: int


def files_of(spec: RunSpec) -> tuple[int, int]:
    """Files of tmpfs and pages of each: as the spec says, else one for shmem_fault, with the pages of the run."""
    if spec.shmem.inodes or spec.scenario != "shmem_fault":
        return spec.shmem.inodes, spec.shmem.pages if spec.shmem.inodes else 0
    return 1, shape_of(spec).pages


def trace_of(spec: RunSpec) -> str | None:
    """The recording that a run replays: the one it names, or that of a compile for kernel_build; None: none."""
    return spec.trace or (COMPILE if spec.scenario == "kernel_build" else None)


def shape_of(spec: RunSpec) -> Shape:
    """What the scenario looks like: as the spec says, else by scenario. Errors: TraceError, ValueError."""
    trace = trace_of(spec)
    if trace is not None:
        pages = read_header(resolve(trace)).pages
        if spec.pages is not None and spec.pages != pages:
            raise ValueError(f"pages is {spec.pages}, but trace {trace!r} has {pages}; leave pages out")
    else:
        default = PAGES[spec.scenario] if spec.executor == "processes" else PAGES_COOPERATIVE
        pages = spec.pages or default
    mms = {
        "thread_fault": 1,
        "fork_fault": spec.cpus,
        "usemem": spec.cpus,
        "mix": spec.mms or spec.cpus + 2,
        "trace": spec.mms or 2,
        "redis": spec.cpus,
        "kernel_build": spec.cpus + 1,
        "zram_swapin": 1,
        "swapoff_loop": 1,
        "shmem_fault": 1,
    }[spec.scenario]
    if spec.mms is not None and spec.mms != mms:
        raise ValueError(f"mms is {spec.mms}, but scenario {spec.scenario} with {spec.cpus} CPUs has {mms}")
    share = RESIDENT_SHARE.get(spec.scenario, 2) if spec.executor == "processes" else 2
    share = 1 if spec.scenario in ALL_RESIDENT else share
    limit = spec.memcg.limit_pages or max(pages * mms // share, spec.cpus + 2)
    return Shape(spec.cpus, pages, mms, limit)


def workload(spec: RunSpec, shape: Shape) -> Workload:
    """A fresh Workload of the spec's scenario, for one CPU."""
    if spec.scenario == "shmem_fault":
        shape = replace(shape, pages=files_of(spec)[1])
    return CLASSES[spec.scenario](spec.model_copy(update={"trace": trace_of(spec)}), shape)
