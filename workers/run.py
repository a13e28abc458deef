"""One run, from its spec to its Outcome: segment, format, CPUs, gate, stop, laws, figures, and nothing left behind.

Every way out is an Outcome. Its reason codes:

    succeeded  completed
    failed     law_violated, core_fault (a CPU returned a positive code), core_raised and worker_raised (Python raised
               in the core or in a worker), core_missing (not built), geometry_refused, bad_spec, segment_error,
               internal_error
    lost       worker_died, core_crashed (the process that formats, reads or checks died), stuck
    cancelled  cancelled
    timed_out  deadline
"""

from __future__ import annotations

import importlib
import mmap
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from shm.errors import GeometryError, SegmentError
from shm.segment import ABANDONED, FORMATTED, Segment, ensure_fits, new_name, pack_header
from workers import environment, stats
from workers.executors.child import Raised, call_aside
from workers.executors.core import CompiledCore, Core
from workers.executors.gate import Gate
from workers.executors.processes import Crew, fault_text
from workers.executors.watch import Commands, Ended, Silence, Watch
from workers.living import Living
from workers.outcome import Event, Histogram, KnownBreach, Outcome, Violation, Wait
from workers.spec import RunSpec

EVIDENCE_NS = 400_000_000  # to read partial figures: a lost attempt is reported within a second
EXPLORER_GRACE_NS = 300_000_000  # for an explorer that is told to stop to say what it has found

T = TypeVar("T")
Explore = Callable[[RunSpec, Callable[[], bool], Callable[[Any], None]], dict[str, Any]]


@dataclass
class Life:
    """What a living run says of itself once a second, and when its measured time began (CLOCK_MONOTONIC)."""

    emit: Callable[[Event], None]
    sampler: Callable[[], dict[str, Any] | None] | None = None
    opened_ns: int | None = None

    def open(self, sampler: Callable[[], dict[str, Any] | None]) -> None:
        """The CPUs run from now on, and `sampler` tells how far they are."""
        self.opened_ns = time.monotonic_ns()
        self.sampler = sampler
        self.emit(Event(event="running", at_ns=self.opened_ns))

    def elapsed_ns(self) -> int:
        """Since the CPUs run; 0 before."""
        return 0 if self.opened_ns is None else time.monotonic_ns() - self.opened_ns

    def beat(self) -> None:
        """The heartbeat, and with it a sample if the CPUs run."""
        self.emit(Event(event="heartbeat", at_ns=time.monotonic_ns()))
        progress = self.sampler() if self.sampler is not None else None
        if progress is not None:
            sample = {"elapsed_ns": self.elapsed_ns(), **flat(progress)}
            self.emit(Event(event="sample", at_ns=time.monotonic_ns(), sample=sample))


@dataclass
class Done:
    """What a run that went to its end has brought. Times in ns; cpu_ns is None where nobody has taken it."""

    figures: dict[str, Any]
    violations: list[dict[str, Any]]
    known: list[dict[str, Any]]
    laws: list[str]
    elapsed_ns: int
    cpu_ns: int | None
    faults: list[dict[str, int]] = field(default_factory=list)


def execute(
    spec: RunSpec,
    emit: Callable[[Event], None],
    commands: Commands,
    deadline_ns: int | None,
    *,
    core: Core | None = None,
    explore: Explore | None = None,
) -> Outcome:
    """Run `spec` and return its Outcome, whatever happens; afterwards no segment, semaphore or process of it is left.

    `emit` takes the events but the last, `deadline_ns` is a CLOCK_MONOTONIC time or None. `core` and `explore` are the
    compiled ones, CompiledCore and workers.executors.cooperative.explore, unless given.
    """
    life = Life(emit)
    watch = Watch(commands, deadline_ns, life.beat)
    name = new_name() if spec.executor == "processes" else None
    emit(Event(event="started", at_ns=time.monotonic_ns(), pid=os.getpid(), segment=name))
    circumstances = environment.collect(spec.protocol)
    try:
        watch.check()
        the_core = _loaded(CompiledCore) if core is None else core
        if name is not None:
            done = _on_processes(spec, watch, life, the_core, name)
        else:
            explorer = _loaded(_compiled_explore) if explore is None else explore
            done = _on_cooperative(spec, watch, life, the_core, explorer)
        return _outcome(done, circumstances)
    except Exception as error:
        return _without_figures(_as_ended(error), life, circumstances)


def flat(progress: dict[str, Any]) -> dict[str, float | int | None]:
    """Progress as a sample: a list `name_by_cpu`, one value per CPU, becomes one figure `name_cpuN` each."""
    sample: dict[str, float | int | None] = {}
    for name, value in progress.items():
        if isinstance(value, list):
            sample.update({f"{name.removesuffix('_by_cpu')}_cpu{cpu}": each for cpu, each in enumerate(value)})
        else:
            sample[name] = value
    return sample


def _on_processes(spec: RunSpec, watch: Watch, life: Life, core: Core, name: str) -> Done:
    plan = _plan(core, spec)
    ensure_fits(plan.size)
    with Segment.create(plan.size, pack_header(plan.size), name=name) as segment:
        buf = segment.buf
        call_aside(watch, lambda _: core.format(buf, plan, spec), what="the formatting")
        segment.set_state(FORMATTED)
        gate = Gate(name)
        crew = _loaded(lambda: _crew_for(spec, name))(core, spec, buf, plan.workers, watch)
        try:
            crew.gather(gate)
            life.open(Living(core, buf, plan).sample)
            elapsed_ns = crew.race(gate)
            cpu_ns, faults = crew.cpu_ns(), crew.faults()
        except Ended as end:
            segment.set_state(ABANDONED)
            end.evidence["workers"] = crew.evidence()
            crew.kill()
            end.evidence["figures"], end.warned = _partial(core, buf, plan, spec)
            raise
        finally:
            crew.dismiss()
            gate.close()
            life.sampler = None
        figures = call_aside(watch, lambda _: core.figures(buf, plan), what="the reading of the figures")
        if spec.timeline:
            told = call_aside(watch, lambda _: core.timeline(buf, plan, spec), what="the reading of the trace rings")
            figures["timeline"] = told
        violations, known, laws = _check_laws(watch, core, buf, plan, spec, figures)
    return Done(figures, violations, known, laws, elapsed_ns, cpu_ns, faults)


def _check_laws(
    watch: Watch, core: Core, buf: mmap.mmap, plan: Any, spec: RunSpec, figures: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]:
    """Violations, those that are known, and the names of the laws looked at. At rest: all CPUs have left."""
    if spec.laws == "off":
        return [], [], []
    try:
        violations, known = call_aside(
            watch,
            lambda _: (core.check_laws(buf, plan, spec), core.check_known(buf, plan, spec)),
            what="the check of the laws",
        )
    except Ended as end:
        end.evidence["figures"] = figures
        raise
    return violations, known, core.laws_for(spec)


def _on_cooperative(spec: RunSpec, watch: Watch, life: Life, core: Core, explore: Explore) -> Done:
    """All CPUs in one process, which is a child as well: the core may crash or hang there too."""
    asked_to_stop = mmap.mmap(-1, mmap.PAGESIZE)  # shared with the child through fork
    latest: dict[str, Any] = {}
    life.open(lambda: latest or None)
    began_ns = time.monotonic_ns()
    try:
        figures = call_aside(
            watch,
            lambda report: explore(spec, lambda: asked_to_stop[0] != 0, report),
            what="the exploration",
            on_progress=latest.update,
            on_end=lambda: asked_to_stop.__setitem__(0, 1),
            grace_ns=EXPLORER_GRACE_NS,
        )
    except Ended as end:
        end.evidence["progress"] = latest
        raise
    finally:
        asked_to_stop.close()
        life.sampler = None
    laws = figures.get("laws_checked")
    if laws is None:
        laws = [] if spec.laws == "off" else core.laws_for(spec)
    elapsed_ns = time.monotonic_ns() - began_ns
    known = figures.get("known", [])
    return Done(figures, figures["violations"], known, laws, elapsed_ns, figures.get("cpu_ns"))


def _partial(core: Core, buf: mmap.mmap, plan: Any, spec: RunSpec) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The figures of an attempt that did not come to rest, evidence and no measurement, and the laws that its steps had
    told broken; both where they can be read."""
    until = Watch(Silence(), time.monotonic_ns() + EVIDENCE_NS)

    def read(_: object) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        return core.figures(buf, plan), core.check_warned(buf, plan, spec)

    try:
        return call_aside(until, read, what="the reading of evidence")
    except (Ended, Raised) as error:
        return {"unreadable": str(error)}, []


def _without_figures(end: Ended, life: Life, circumstances: dict[str, Any]) -> Outcome:
    """The outcome of an attempt that did not come to rest. One that is lost after a step has told a law broken is lost
    by that: it has failed."""
    status, code, reason = end.status, end.reason_code, end.reason
    if status == "lost" and end.warned:
        status, code = "failed", "law_violated"
        reason = f"{_violated(end.warned)}; then {end.reason}"
    return Outcome(
        status=status,
        reason_code=code,
        reason=reason,
        elapsed_ns=life.elapsed_ns(),
        metrics={},
        waits={},
        events={},
        histograms={},
        violations=[Violation(**violation) for violation in end.warned],
        laws_checked=[violation["law"] for violation in end.warned],
        environment=circumstances,
        evidence=end.evidence,
    )


def _violated(violations: list[dict[str, Any]]) -> str:
    return f"violated: {', '.join(sorted({violation['law'] for violation in violations}))}"


def _outcome(done: Done, circumstances: dict[str, Any]) -> Outcome:
    status, code, reason = "succeeded", "completed", "the run is through, and every law that was checked held"
    if done.violations:
        status, code, reason = "failed", "law_violated", _violated(done.violations)
    if done.faults:
        status, code, reason = "failed", "core_fault", fault_text(done.faults)
    return Outcome(
        status=status,
        reason_code=code,
        reason=reason,
        elapsed_ns=done.elapsed_ns,
        metrics=stats.metrics(done.figures, done.elapsed_ns, done.cpu_ns),
        waits={cause: Wait(**wait) for cause, wait in done.figures["waits"].items()},
        events=done.figures["events"],
        histograms={name: Histogram(**each) for name, each in done.figures["histograms"].items()},
        violations=[Violation(**violation) for violation in done.violations],
        known=[KnownBreach(**breach) for breach in done.known],
        laws_checked=done.laws,
        environment=circumstances,
        evidence={"faults": done.faults} if done.faults else {},
        timeline=done.figures.get("timeline"),
    )


def _crew_for(spec: RunSpec, name: str) -> Callable[..., Crew]:
    """Who the CPUs of a run listen to: their scenario, or clients."""
    if spec.driver == "scenario":
        return Crew
    from workers.executors.external import ExternalCrew

    return partial(ExternalCrew, name)


def _plan(core: Core, spec: RunSpec) -> Any:
    try:
        return core.plan(spec)
    except (ValueError, LookupError, FileNotFoundError) as error:
        raise Ended("failed", "bad_spec", str(error)) from error


def _compiled_explore() -> Explore:
    explore: Explore = importlib.import_module("workers.executors.cooperative").explore
    return explore


def _loaded(load: Callable[[], T]) -> T:
    try:
        return load()
    except ImportError as error:
        raise Ended("failed", "core_missing", f"the compiled core is not there, run 'make setup': {error}") from error


def _as_ended(error: Exception) -> Ended:
    """Every error as an end. What is not foreseen is logged with its traceback and kept as evidence."""
    if isinstance(error, Ended):
        return error
    if isinstance(error, GeometryError):
        sizes = {"asked_bytes": error.asked_bytes, "free_bytes": error.free_bytes}
        return Ended("failed", "geometry_refused", str(error), sizes)
    if isinstance(error, SegmentError):
        return Ended("failed", "segment_error", str(error))
    if isinstance(error, Raised):
        # ValueError is what the core raises for a spec that asks in vain: an unknown protocol, a schedule that is none.
        code = {"GeometryError": "geometry_refused", "ValueError": "bad_spec"}.get(error.kind, "core_raised")
        return Ended("failed", code, f"{error.kind}: {error}")
    trace = traceback.format_exc()
    sys.stderr.write(trace)
    return Ended("failed", "internal_error", f"{type(error).__name__}: {error}", {"traceback": trace})
