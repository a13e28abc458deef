"""From a SimulationSpec to its cells: what each one's segment looks like, how it runs, what it tells."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from shm.geometry import Geometry
from shm.layout import size_of
from shm.records import EVENTS
from workers.executors.plan import Plan, plan
from workers.invariants.registry import LAWS, check_at_rest, laws_for
from workers.outcome import Histogram, Violation, Wait
from workers.simulation.machine import Machine
from workers.simulation_spec import Cell, ClusterTold, LockTold, SimulationSpec
from workers.spec import MemcgSpec, RunSpec
from workers.stats import quantile_ns

TRACE_RECORDS = 64  # nobody reads the rings of a simulation
SLICE_EVENTS = 400_000  # between two looks at the clock and at cancels: about 0.1 s
GRACE_NS = 10_000_000_000  # after the stop: far above any operation
TOP_CLUSTERS = 8
PAGES_PER_CPU = 64  # of thread_fault, where more CPUs than 32 share an mm
ALL_PAGES = 1 << 18  # of all address spaces of usemem together
LEAST_PAGES = 256
FORK_RESIDENT_PER_CPU = 8  # of fork_fault: what a CPU may hold isolated or locked
QUANTILES = {"p50_ns": 0.50, "p90_ns": 0.90, "p99_ns": 0.99, "p999_ns": 0.999}

Report = Callable[[int, int], None]  # virtual ns, events


def pages_of(spec: SimulationSpec, cpus: int) -> int:
    """Pages of one address space: those of a run of real processes, more or less where there are many CPUs."""
    if spec.pages is not None:
        return spec.pages
    if spec.scenario == "thread_fault":
        return max(2048, PAGES_PER_CPU * cpus)
    if spec.scenario == "usemem":
        return min(4096, max(LEAST_PAGES, ALL_PAGES // cpus))
    return 2048 if spec.scenario == "fork_fault" else 256


def limit_of(spec: SimulationSpec, cpus: int) -> int | None:
    """Pages that the memcg may hold. Children of fork_fault share their pages: its memory does not grow with them."""
    if spec.limit_pages is not None or spec.scenario != "fork_fault":
        return spec.limit_pages
    return max(pages_of(spec, cpus) * min(cpus, 2) // 2, FORK_RESIDENT_PER_CPU * cpus)


def run_of(spec: SimulationSpec, protocol: str, cpus: int) -> RunSpec:
    """The run that a cell plays, in which the CPUs and address spaces go beyond what real processes are allowed."""
    run = RunSpec(
        protocol=protocol,
        scenario=spec.scenario,
        cpus=1,
        seed=spec.seed,
        hz=spec.hz,
        device=spec.device,
        memcg=MemcgSpec(version=spec.memcg_version, limit_pages=limit_of(spec, cpus)),
        slots=spec.slots,
        pages=pages_of(spec, cpus),
        access=spec.access,
        store_percent=spec.store_percent,
        mix=spec.mix,
        readahead_pages=spec.readahead_pages,
        laws=spec.laws,
    )
    return run.model_copy(update={"cpus": cpus})


def plan_of(run: RunSpec) -> Plan:
    """As of a run of real processes. Errors: GeometryError."""
    made = plan(run)
    geometry: Geometry = replace(made.geometry, trace_records=TRACE_RECORDS)
    return replace(made, geometry=geometry, size=size_of(geometry))


def play(spec: SimulationSpec, protocol: str, cpus: int, cancelled: Callable[[], bool], report: Report) -> Cell:
    """Simulate one cell to its end. Errors: GeometryError, ValueError, MemoryError; RuntimeError for a preparation."""
    run = run_of(spec, protocol, cpus)
    shape = plan_of(run)
    machine = Machine(run, shape, spec.model)
    simulator = machine.simulator
    machine.begin_preparation()
    while simulator.run_for(SLICE_EVENTS) and not cancelled():
        report(0, 0)
    if simulator.verdict_text not in ("completed", "running"):
        raise RuntimeError(f"the preparation does not end: {simulator.verdict_text}: {simulator.waiting_told()}")
    virtual_ns = int(spec.virtual_ms * 1e6)
    began, cpu_began = time.perf_counter(), time.process_time()
    if simulator.verdict_text == "completed":
        machine.begin(virtual_ns, GRACE_NS)
        while simulator.run_for(SLICE_EVENTS) and not cancelled():
            report(simulator.now_ns, simulator.events)
    took = time.perf_counter() - began, time.process_time() - cpu_began
    return told(spec, machine, shape, protocol, cpus, virtual_ns, took)


def told(
    spec: SimulationSpec,
    machine: Machine,
    shape: Plan,
    protocol: str,
    cpus: int,
    virtual_ns: int,
    took: tuple[float, float],
) -> Cell:
    """What a cell tells, whether it came to its end or not."""
    simulator = machine.simulator
    verdict = simulator.verdict_text if simulator.verdict_text != "running" else "cancelled"
    figures = machine.figures()
    at_stop = dict(zip(EVENTS, simulator.counted_at_stop(), strict=True))
    swap_ins = at_stop["swap_ins"]
    histogram = figures["histograms"]["swap_in"]
    seconds, cpu_seconds = took
    return Cell.model_validate(
        {
            "protocol": protocol,
            "cpus": cpus,
            "verdict": verdict,
            "virtual_ns": virtual_ns,
            "ended_ns": simulator.now_ns,
            "operations": at_stop["operations"],
            "operations_per_second": at_stop["operations"] * 1e9 / virtual_ns,
            "swap_ins": swap_ins,
            "swap_ins_per_second": swap_ins * 1e9 / virtual_ns,
            "tick_sleeps": at_stop["tick_sleeps"],
            "tick_sleeps_per_swap_in": at_stop["tick_sleeps"] / swap_ins if swap_ins else None,
            "latency": latencies(histogram),
            "waits": {cause: Wait(**wait) for cause, wait in figures["waits"].items()},
            "locks": {name: LockTold(**each) for name, each in simulator.locks_told().items()},
            "clusters": [ClusterTold(**each) for each in simulator.clusters_told(TOP_CLUSTERS)],
            "counted": figures["events"],
            "steps": simulator.steps_told(),
            "accesses": simulator.accesses,
            "histogram": Histogram(**histogram),
            "violations": violations_of(spec, machine, protocol, verdict),
            "laws_checked": laws_for(protocol) if spec.laws == "at_rest" and verdict == "completed" else [],
            "events": simulator.events,
            "event_hash": simulator.event_hash,
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            "events_per_second": simulator.events / cpu_seconds if cpu_seconds > 0 else 0.0,
            "segment_bytes": shape.size,
        }
    )


def latencies(histogram: Mapping[str, Any]) -> dict[str, float | None]:
    """Quantiles of swap-ins, None where fewer than 100 observations lie beyond, and the greatest."""
    found = {name: quantile_ns(histogram, quantile) for name, quantile in QUANTILES.items()}
    return {**found, "max_ns": float(histogram["max_ns"]) if histogram["total"] else None}


def violations_of(spec: SimulationSpec, machine: Machine, protocol: str, verdict: str) -> list[Violation]:
    """Laws that do not hold now that all CPUs have left; that not all have left breaks law L2."""
    if verdict == "cancelled":
        return []
    if verdict != "completed":
        detail = f"{verdict} after {machine.simulator.events} events: {machine.simulator.waiting_told()}"
        return [Violation(law="L2", sentence=LAWS["L2"].sentence, detail=detail)]
    if spec.laws == "off":
        return []
    return [Violation(**each) for each in check_at_rest(machine.buf, protocol)]
