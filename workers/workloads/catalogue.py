"""Workloads by scenario, and the shape that each takes when a run does not say."""

from __future__ import annotations

from dataclasses import dataclass

from workers.spec import RunSpec
from workers.workloads.mix import Mix
from workers.workloads.scenarios import ForkFault, ThreadFault, Usemem
from workers.workloads.trace import Trace
from workers.workloads.trace_file import read_header, resolve
from workers.workloads.workload import Workload

CLASSES = {"thread_fault": ThreadFault, "fork_fault": ForkFault, "usemem": Usemem, "mix": Mix, "trace": Trace}
PAGES = {"thread_fault": 2048, "fork_fault": 2048, "usemem": 4096, "mix": 256}
RESIDENT_SHARE = {"usemem": 8}  # one part in so many; vm-scalability's 31 x 1 GiB in 4 GiB. All others: half
PAGES_COOPERATIVE = 6  # few enough that schedules collide


@dataclass(frozen=True)
class Shape:
    """cpus: working ones; pages: of one mm; mms: address spaces; resident_pages: limit of their memcg."""

    cpus: int
    pages: int
    mms: int
    resident_pages: int


def shape_of(spec: RunSpec) -> Shape:
    """What the scenario looks like: as the spec says, else by scenario. Errors: TraceError, ValueError."""
    if spec.trace is not None:
        pages = read_header(resolve(spec.trace)).pages
        if spec.pages is not None and spec.pages != pages:
            raise ValueError(f"pages is {spec.pages}, but trace {spec.trace!r} has {pages}; leave pages out")
    else:
        default = PAGES[spec.scenario] if spec.executor == "processes" else PAGES_COOPERATIVE
        pages = spec.pages or default
    mms = {
        "thread_fault": 1,
        "fork_fault": spec.cpus,
        "usemem": spec.cpus,
        "mix": spec.mms or spec.cpus + 2,
        "trace": spec.mms or 2,
    }[spec.scenario]
    if spec.mms is not None and spec.mms != mms:
        raise ValueError(f"mms is {spec.mms}, but scenario {spec.scenario} with {spec.cpus} CPUs has {mms}")
    share = RESIDENT_SHARE.get(spec.scenario, 2) if spec.executor == "processes" else 2
    limit = spec.memcg.limit_pages or max(pages * mms // share, spec.cpus + 2)
    return Shape(spec.cpus, pages, mms, limit)


def workload(spec: RunSpec, shape: Shape) -> Workload:
    """A fresh Workload of the spec's scenario, for one CPU."""
    return CLASSES[spec.scenario](spec, shape)
