"""What a simulation in virtual time is asked to do, what it charges for, and what came out: JSON in, JSON out.

`python -m workers.simulation` takes a `SimulationSpec` on standard input and says one `SimulationEvent` a line, the
last with the outcome. The cost model is data: docs/cost-model.md says what each figure means and where it comes from.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from workers.outcome import Histogram, Violation, Wait
from workers.spec import MAX_FOLIOS, MAX_PAGES, MAX_SLOTS, DeviceSpec, Operation

MAX_SIMULATED_CPUS = 1024  # address spaces of a segment: each CPU of usemem and fork_fault has one
MAX_VIRTUAL_MS = 60_000.0
MAX_COST_NS = 10_000_000.0  # longer than any figure of a machine: a wrong unit is seen
DEFAULT_MODEL = Path(__file__).resolve().parent / "simulation" / "cost_model.toml"

SimulatedScenario = Literal["thread_fault", "fork_fault", "usemem", "mix"]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CostModelError(ValueError):
    """A file is no cost model: which figure is wrong, and what would be right."""


def _ns(description: str, *, least: float = 0.0) -> Any:
    return Field(ge=least, le=MAX_COST_NS, description=description)


class Topology(Frozen):
    """Neighbouring numbers are near: CPUs of one core, then cores of one socket."""

    cpus_per_core: int = Field(ge=1, le=8, description="CPU numbers that share a core")
    cpus_per_socket: int = Field(ge=1, le=4096, description="CPU numbers that share a socket")


class LineCosts(Frozen):
    """A cache line that a CPU touches: what it takes until it is there."""

    own_ns: float = _ns("an atomic on a line that nobody else has touched since")
    shared_ns: float = _ns("a read of a line that this CPU's group has a copy of")
    same_core_ns: float = _ns("a line that a CPU of the same core has written last")
    same_socket_ns: float = _ns("a line that another core of the socket has written last")
    other_socket_ns: float = _ns("a line that another socket has written last")


class StepCosts(Frozen):
    """Code between two scheduling points, charged with the step that follows it."""

    atomic_ns: float = _ns("with a step that takes no lock", least=0.1)
    acquire_ns: float = _ns("with taking a lock, or trying", least=0.1)
    release_ns: float = _ns("with giving a lock back", least=0.1)
    access_ns: float = _ns("an access of the program that needs no fault", least=0.1)


class LockCosts(Frozen):
    """A spin lock that is held: from its release until the next in the queue goes on."""

    handover_same_core_ns: float = _ns("the next one runs on the same core", least=0.1)
    handover_same_socket_ns: float = _ns("on the same socket", least=0.1)
    handover_other_socket_ns: float = _ns("on another socket", least=0.1)


class FaultCosts(Frozen):
    """The way into the kernel and back, paid where a fault takes mmap_lock and gives it back."""

    entry_ns: float = _ns("exception, entry code, finding the VMA")
    exit_ns: float = _ns("return to the program")


class WakeCosts(Frozen):
    """Sleep and wake-up of a CPU that waits for a folio, an mmap_lock or an event."""

    sleep_ns: float = _ns("from the decision to sleep until asleep")
    waker_ns: float = _ns("what the waker pays for each that sleeps")
    latency_same_socket_ns: float = _ns("from the wake-up until the sleeper goes on: IPI and schedule")
    latency_other_socket_ns: float = _ns("the same across sockets")


class TickCosts(Frozen):
    """schedule_timeout_uninterruptible(1): 1 to 2 ticks, by where in its tick a CPU begins."""

    wakeup_ns: float = _ns("from the timer interrupt until the sleeper goes on")
    aligned: bool = Field(description="whether the ticks of all CPUs come at the same time")


class DeviceCosts(Frozen):
    """Beside the time of the device that the workload's spec sets."""

    request_ns: float = _ns("preparation and copy of one request, for each time the device is busy")


class Emulation(Frozen):
    """Where the emulator does what the kernel does in batches, or in hardware (docs/emulation.md)."""

    lruvec_batch: int = Field(ge=1, le=1024, description="one lruvec lock transfer in so many is charged")
    charge_batch: int = Field(ge=1, le=1024, description="one transfer of a memcg counter's line in so many is charged")
    hits_take_lock: bool = Field(description="an access that needs no fault pays for the page-table lock")


class Noise(Frozen):
    """Without any, CPUs that do the same stay in step for ever."""

    percent: float = Field(ge=0, le=50, description="each cost varies evenly by so much to either side")
    interrupts_per_s: float = Field(ge=0, le=100_000, description="how often others take a CPU that works")
    interrupt_ns: float = Field(ge=0, le=1e9, description="for how long, on average: evenly from 0 to twice that")
    start_ns: float = _ns("CPUs begin within this time, by seed")


class CostModel(Frozen):
    """Every figure that a prediction rests on. `sources` says of each table where its figures come from."""

    name: str = Field(max_length=200)
    circumstances: str = Field(max_length=2000, description="machine and conditions of what was measured")
    topology: Topology
    line: LineCosts
    step: StepCosts
    lock: LockCosts
    fault: FaultCosts
    wake: WakeCosts
    tick: TickCosts
    device: DeviceCosts
    emulation: Emulation
    noise: Noise
    sources: dict[str, str] = Field(description="table or table.figure -> where it comes from")


def read_cost_model(path: Path = DEFAULT_MODEL) -> CostModel:
    """The model in a TOML or JSON file; the default one when none is named. Raises CostModelError."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            return CostModel.model_validate_json(text)
        return CostModel.model_validate(tomllib.loads(text))
    except OSError as error:
        raise CostModelError(f"no cost model in {path}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise CostModelError(f"{path} is not TOML: {error}") from error
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:5]]
        raise CostModelError(f"{path} is no cost model: {'; '.join(wrong)}") from error


def cost_model_toml(model: CostModel) -> str:
    """A file that `read_cost_model` reads."""
    lines = [f"name = {_toml(model.name)}", f"circumstances = {_toml(model.circumstances)}"]
    for table, figures in model.model_dump().items():
        if isinstance(figures, dict):
            lines += ["", f"[{table}]"]
            lines += [f"{_toml(key) if '.' in key else key} = {_toml(value)}" for key, value in figures.items()]
    return "\n".join(lines) + "\n"


def _toml(value: bool | int | float | str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    return f"{value:g}" if isinstance(value, float) and value != int(value) else str(value)


class SimulationSpec(Frozen):
    """Protocols times numbers of CPUs, one scenario. None means by scenario and CPUs, as docs/simulation.md tells."""

    protocols: list[str] = Field(min_length=1, max_length=32)
    cpus: list[int] = Field(min_length=1, max_length=64)
    scenario: SimulatedScenario = "thread_fault"
    virtual_ms: float = Field(100.0, gt=0, le=MAX_VIRTUAL_MS, description="virtual time until the CPUs are stopped")
    seed: int = Field(1, ge=0, lt=1 << 63)
    hz: Literal[100, 250, 300, 1000] = 250
    device: DeviceSpec = DeviceSpec()
    memcg_version: Literal[1, 2] = 2
    limit_pages: int | None = Field(None, ge=1, le=MAX_FOLIOS)
    pages: int | None = Field(None, ge=1, le=MAX_PAGES, description="pages of one address space")
    slots: int | None = Field(None, ge=16, le=MAX_SLOTS)
    access: Literal["sequential", "random"] = "sequential"
    store_percent: int = Field(50, ge=0, le=100)
    readahead_pages: Literal[1, 2, 4, 8, 16, 32] = 8
    mix: dict[Operation, int] | None = None
    laws: Literal["off", "at_rest"] = "at_rest"
    model: CostModel

    @model_validator(mode="after")
    def _cells_are_possible(self) -> SimulationSpec:
        for cpus in self.cpus:
            if not 1 <= cpus <= MAX_SIMULATED_CPUS:
                raise ValueError(f"cpus: {cpus} is not from 1 to {MAX_SIMULATED_CPUS}")
        if len(set(self.cpus)) < len(self.cpus) or len(set(self.protocols)) < len(self.protocols):
            raise ValueError("a protocol or a number of CPUs is named twice")
        if self.scenario == "mix" and (not self.mix or sum(self.mix.values()) <= 0):
            raise ValueError("scenario mix needs 'mix': operation -> weight, with one weight above 0")
        if self.scenario == "mix" and max(self.cpus) + 2 > MAX_SIMULATED_CPUS:
            raise ValueError(f"scenario mix has two address spaces more than CPUs, and {MAX_SIMULATED_CPUS} at most")
        return self


class LockTold(Model):
    """Locks of one class: taken, of these after a wait, and the time that was waited."""

    acquired: int
    waited: int
    total_ns: int
    max_ns: int


class ClusterTold(Model):
    """Waits for the lock of one cluster."""

    cluster: int
    waited: int
    total_ns: int
    max_ns: int


class Cell(Model):
    """One protocol on one number of CPUs. Rates are of virtual time; latencies in virtual ns.

    verdict: completed; deadlock and no progress are told under law L2. `event_hash` covers every event in its order.
    """

    protocol: str
    cpus: int
    verdict: Literal["completed", "deadlock", "no progress", "time stands still", "cancelled"]
    virtual_ns: int = Field(description="until the CPUs were stopped: what rates are of")
    ended_ns: int = Field(description="until the last of them had left: what waits are of")
    operations: int = Field(description="begun until the CPUs were stopped")
    operations_per_second: float
    swap_ins: int
    swap_ins_per_second: float
    tick_sleeps: int
    tick_sleeps_per_swap_in: float | None
    latency: dict[str, float | None] = Field(description="of swap-ins: p50_ns, p90_ns, p99_ns, p999_ns, max_ns")
    waits: dict[str, Wait]
    locks: dict[str, LockTold]
    clusters: list[ClusterTold] = Field(description="those waited for longest, longest first")
    counted: dict[str, int] = Field(description="events that the CPUs have counted, up to their end")
    steps: dict[str, int] = Field(description="events of the simulation by kind of step")
    accesses: int = Field(description="sections of a page-table lock without a step: each was charged access_ns")
    histogram: Histogram
    violations: list[Violation]
    laws_checked: list[str]
    events: int
    event_hash: str
    seconds: float = Field(description="of real time")
    cpu_seconds: float
    events_per_second: float
    segment_bytes: int


class SimulationOutcome(Model):
    """The end: completed, invalid (a law was violated in some cell), cancelled, failed (reason says why)."""

    status: Literal["completed", "invalid", "cancelled", "failed"]
    reason: str
    cells: list[Cell] = []
    model: CostModel | None = None
    environment: dict[str, Any] = {}


class SimulationEvent(Model):
    """A line of a living simulation: `progress` (several a second), `cell` as each ends, `outcome` last."""

    event: Literal["progress", "cell", "outcome"]
    protocol: str | None = None
    cpus: int | None = None
    virtual_ns: int | None = None
    events: int | None = None
    cell: Cell | None = None
    outcome: SimulationOutcome | None = None
