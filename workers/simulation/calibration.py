"""The cost model of this machine: single steps measured by two processes on two cores, and the code between them
solved from runs of one CPU. `python -m workers.simulation.calibration` prints the model as one line of JSON.
"""

from __future__ import annotations

import json
import mmap
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from workers.environment import collect
from workers.executors.control import figures, format_run, set_stop
from workers.executors.plan import plan
from workers.executors.program import Program
from workers.simulation.cell import play
from workers.simulation.probes import SHARED_BYTES, Probe, gaps, tick_overshoots
from workers.simulation_spec import CostModel, SimulationSpec, read_cost_model
from workers.spec import DeviceSpec, MemcgSpec, RunSpec

ROUNDS = 200_000
BOUNCES = 2_000  # short enough to lie within a slice of the host's scheduler
BATCHES = 15
HAND_OVERS = 20_000
WAKE_UPS = 2_000
WAKE_AFTER_NS = 5_000  # what a loser mostly waits for: the rest of a device read
SLEEP_STEP_NS = 200
SLEEP_ROUNDS = 300
LONGEST_SLEEP_NS = 6_000
TICKS = 40
WATCH_NS = 3_000_000_000
GAP_NS = 2_000  # between two looks at the clock lie 30 ns
TRIALS = 5
RUN_SECONDS = 0.3
LEAST_NS = 0.1  # of a step: less is rounding


def aside(work: Callable[[Probe], Any], beside: Callable[[Probe], Any]) -> tuple[Any, Any]:
    """`work` here and `beside` in a forked process, each on a core of its own; what both return."""
    probe = Probe(mmap.mmap(-1, max(SHARED_BYTES, mmap.PAGESIZE)))
    cores = sorted(os.sched_getaffinity(0))
    ours, theirs = cores[0], cores[min(1, len(cores) - 1)]
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.sched_setaffinity(0, {theirs})
        os.write(writing, (json.dumps(beside(probe)) + "\n").encode())
        os._exit(0)
    os.close(writing)
    os.sched_setaffinity(0, {ours})
    try:
        here = work(probe)
        with os.fdopen(reading) as answer:
            there = json.loads(answer.readline())
    finally:
        os.sched_setaffinity(0, set(cores))
        os.waitpid(child, 0)
    return here, there


def median_of(measure: Callable[[], float], times: int = TRIALS) -> float:
    """Of so many measurements."""
    return statistics.median(measure() for _ in range(times))


@dataclass(frozen=True)
class Steps:
    """Single steps of this machine, in ns."""

    atomic: float
    lock_pair: float
    transfer: float
    contended: float
    hand_over: float
    sleep: float
    waker: float
    latency: float
    tick_late: float
    interrupts_per_s: float
    interrupt: float


def interruptions() -> tuple[float, float]:
    """How often a second others take a working CPU from it alone, and for how long on average.

    From the gaps in loops that look at the clock, on two cores at the same time, less those that both have: what stops
    all CPUs at once parts nobody. Evenly spread lengths whose sum and whose sum of squares are those of the gaps take
    as much time and part two CPUs as far.
    """
    here, there = aside(lambda _: gaps(WATCH_NS, GAP_NS), lambda _: gaps(WATCH_NS, GAP_NS))
    lengths = alone(here, there) + alone(there, here)
    total = sum(lengths)
    if total == 0:
        return 0.0, 0.0
    mean = 3 * sum(length * length for length in lengths) / (4 * total)
    return total / mean / (2 * WATCH_NS) * 1e9, mean


def alone(gaps_here: Sequence[Sequence[int]], gaps_there: Sequence[Sequence[int]]) -> list[float]:
    """What is left of each gap here where there was none there, in ns."""
    return [
        float(end - begin - sum(max(0, min(end, to) - max(begin, since)) for since, to in gaps_there))
        for begin, end in gaps_here
    ]


def _wake_after(after_ns: int, probe: Probe) -> list[int]:
    return probe.wake(SLEEP_ROUNDS, after_ns)


def time_to_sleep(waker_ns: float) -> float:
    """How long after its decision a sleeper is asleep: from then on the waker pays the full price of waking it."""
    for after_ns in range(0, LONGEST_SLEEP_NS, SLEEP_STEP_NS):
        took = aside(lambda p: p.be_woken(SLEEP_ROUNDS), partial(_wake_after, after_ns))[1]
        if statistics.median(took) > waker_ns / 2:
            return float(after_ns)
    return float(LONGEST_SLEEP_NS)


def measured_steps(hz: int) -> Steps:
    """All that two processes can measure by themselves."""
    alone = Probe(mmap.mmap(-1, max(SHARED_BYTES, mmap.PAGESIZE)))
    handed = aside(lambda p: p.hand_over(0, HAND_OVERS), lambda p: p.hand_over(1, HAND_OVERS))
    woken = aside(lambda p: p.be_woken(WAKE_UPS), lambda p: p.wake(WAKE_UPS, WAKE_AFTER_NS))
    often, length = interruptions()
    return Steps(
        interrupts_per_s=often,
        interrupt=min(length, 1e9),
        atomic=median_of(lambda: alone.atomic_ns(ROUNDS)),
        lock_pair=median_of(lambda: alone.lock_ns(ROUNDS)),
        transfer=median_of(lambda: aside(lambda p: p.bounce(0, BOUNCES), lambda p: p.bounce(1, BOUNCES))[0], BATCHES),
        contended=median_of(lambda: aside(lambda p: p.contend(ROUNDS), lambda p: p.contend(ROUNDS))[0], BATCHES),
        hand_over=statistics.median([*handed[0], *handed[1]] or [0.0]),
        sleep=time_to_sleep(statistics.median(woken[1])),
        waker=statistics.median(woken[1]),
        latency=statistics.median(woken[0]),
        tick_late=statistics.median(tick_overshoots(TICKS, 1_000_000_000 // hz)),
    )


@dataclass(frozen=True)
class OneCpu:
    """What one operation of a run of one real CPU takes, and how often it waits for the device."""

    ns: float
    device_waits: float


def real_run(run: RunSpec) -> OneCpu:
    """Play `run` on one CPU in this process; CPU time counts, so that neighbours do not."""
    made = plan(run)
    buf = mmap.mmap(-1, made.size)
    format_run(buf, made, run)
    program = Program(buf, run, 0)
    program.prepare()
    stop = threading.Timer(RUN_SECONDS, set_stop, [buf])
    stop.start()
    began = time.thread_time_ns()
    program.run()
    took = time.thread_time_ns() - began
    stop.join()
    told = figures(buf, made)
    return OneCpu(took / told["operations"], told["waits"]["device"]["count"] / told["operations"])


def one_cpu(run: RunSpec) -> OneCpu:
    """The median of some."""
    return sorted((real_run(run) for _ in range(TRIALS)), key=lambda each: each.ns)[TRIALS // 2]


def run_spec(pages: int, limit: int, device_ns: int) -> RunSpec:
    """One CPU that walks memory of its own."""
    return RunSpec(
        protocol="swap_cache",
        scenario="usemem",
        cpus=1,
        pages=pages,
        memcg=MemcgSpec(limit_pages=limit),
        device=DeviceSpec(read_ns=device_ns, write_ns=device_ns),
        laws="off",
    )


def steps_per_operation(model: CostModel) -> dict[str, float]:
    """Steps by kind of one operation that faults: how often the simulated CPU takes them."""
    spec = SimulationSpec(
        protocols=["swap_cache"],
        cpus=[1],
        scenario="usemem",
        pages=4096,
        limit_pages=512,
        device=DeviceSpec(read_ns=0, write_ns=0),
        virtual_ms=20.0,
        laws="off",
        model=model,
    )
    cell = play(spec, "swap_cache", 1, lambda: False, lambda _at, _events: None)
    accesses = cell.counted["operations"]
    return {**{kind: count / accesses for kind, count in cell.steps.items()}, "accesses": cell.accesses / accesses}


def solved(steps: Steps, name: str) -> CostModel:
    """The model of this machine, for the executor of real processes."""
    base = read_cost_model()
    acquire = max(LEAST_NS, (steps.lock_pair - steps.atomic) / 2)
    hit = one_cpu(run_spec(256, 1024, 0))
    faulting = one_cpu(run_spec(4096, 512, 0))
    reading = one_cpu(run_spec(4096, 512, 5_000))
    access = max(LEAST_NS, hit.ns - steps.lock_pair)
    body = base.model_dump()
    body["emulation"] = {"lruvec_batch": 1, "charge_batch": 1, "hits_take_lock": True}
    counts = steps_per_operation(CostModel.model_validate(body))
    locks = counts["acquire"] * (acquire + steps.atomic) + counts["release"] * acquire
    atomic = max(LEAST_NS, (faulting.ns - locks - access * counts["accesses"]) / counts["atomic"] - steps.atomic)
    waits = max(reading.device_waits, 1e-9)
    request = max(0.0, (reading.ns - faulting.ns - 5_000 * waits) / waits)
    body |= {
        "name": name,
        "topology": {"cpus_per_core": 1, "cpus_per_socket": 4096},
        "line": {
            "own_ns": steps.atomic,
            "shared_ns": base.line.shared_ns,
            "same_core_ns": steps.transfer,
            "same_socket_ns": steps.transfer,
            "other_socket_ns": steps.transfer,
        },
        "step": {"atomic_ns": atomic, "acquire_ns": acquire, "release_ns": acquire, "access_ns": access},
        "lock": {f"handover_{far}_ns": steps.hand_over for far in ("same_core", "same_socket", "other_socket")},
        "fault": {"entry_ns": 0.0, "exit_ns": 0.0},
        "wake": {
            "sleep_ns": steps.sleep,
            "waker_ns": steps.waker,
            "latency_same_socket_ns": steps.latency,
            "latency_other_socket_ns": steps.latency,
        },
        "tick": {"wakeup_ns": steps.tick_late, "aligned": True},
        "device": {"request_ns": request},
        "noise": {
            **base.noise.model_dump(),
            "interrupts_per_s": steps.interrupts_per_s,
            "interrupt_ns": steps.interrupt,
        },
        "sources": SOURCES,
    }
    return CostModel.model_validate(body)


SOURCES = {
    "topology": "all CPUs of this machine on one socket: what was measured between two of its cores",
    "line.own_ns": "measured: a row of compare-and-swaps on one line",
    "line.shared_ns": "default model",
    "line": "measured: a word that two processes on two cores write in turn, half a round trip",
    "step.acquire_ns": "measured: half of taking and giving back a free lock, less the atomic",
    "step.access_ns": "solved: an access of usemem that needs no fault, less its lock",
    "step.atomic_ns": "solved: a fault of usemem with a device of 0 ns, less its locks, divided by its other steps",
    "lock": "measured: from a release until a waiter on another core goes on",
    "fault": "the emulator enters no kernel: its whole path is in step",
    "wake.waker_ns": "measured: a sem_post that wakes a sleeper on another core",
    "wake.latency": "measured: from that sem_post until the sleeper goes on",
    "wake.sleep_ns": "measured: the delay from which on a wake-up costs the waker more than half of waker_ns",
    "tick": "measured: how late a sleep until the second tick ends; all CPUs share a clock",
    "device": "solved: usemem with a device of 5 us against one of 0 ns",
    "emulation": "as the emulator does it: no batches, and every access takes the page-table lock",
    "noise": "default model",
    "noise.interrupt": "measured: gaps of 2 us and more in loops on two cores for 3 s, less those of both at once",
}


def circumstances() -> str:
    """Machine and conditions, in one line."""
    at = collect("swap_cache")
    load = f"{at['load_average'][0]:.1f}"
    return (
        f"{at['cpu_model']}, {at['cores_usable']} CPUs, Linux {at['kernel']}, {time.strftime('%Y-%m-%d')}, "
        f"load {load} at the start; medians of {TRIALS}"
    )


def calibrate(hz: int = 250) -> CostModel:
    """Measure and solve: about 20 s."""
    before = circumstances()
    steps = measured_steps(hz)
    model = solved(steps, f"calibrated on {os.uname().nodename}")
    return model.model_copy(update={"circumstances": f"{before}; a contended atomic add took {steps.contended:.0f} ns"})


if __name__ == "__main__":
    sys.stdout.write(calibrate().model_dump_json() + "\n")
