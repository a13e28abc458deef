"""Exploration of a run's spec: many schedules of a few operations each, and the laws after every one.

`explore` is what `workers.run` calls for executor=cooperative. It owns a private segment, which nobody else can attach.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.layout cimport layout_t
from workers.cpu cimport Cpu
from workers.executors.engine cimport Body, Engine, Judge
from workers.executors.program cimport Program
from workers.executors.step_recorder cimport StepRecorder
from workers.invariants.registry cimport Checker
from workers.mm.page_io cimport worker_leaves

import mmap
import time

from workers.executors.attending import attending
from workers.executors.control import figures, format_run
from workers.executors.execution import STUCK
from workers.executors.findings import Findings
from workers.executors.plan import plan
from workers.executors.timeline import replay_timeline
from workers.invariants.registry import LAWS, laws_for
from workers.schedulers.random_walk import RandomWalk
from workers.schedulers.replay import Replay

# Steps after which a schedule counts as one that makes no progress. The longest operation of a small geometry, a swapoff
# whose charges find the memcg full, takes some 100,000; a loop without end is seen within 50 ms.
STEPS_BEYOND = 1_000_000
STEPS_PER_OPERATION = 10_000
BATCH_S = 0.05  # for so long the GIL is not taken: a cancel is heard, and progress told, that often


cdef class Preparation(Body):
    """What the workload needs before its operations, by CPU 0 alone."""
    cdef Program program

    cdef void run(self, Cpu cpu) noexcept nogil:
        self.program.prepare_here()
        worker_leaves(cpu)


cdef class Operations(Body):
    """`count` operations of the workload."""
    cdef Program program
    cdef uint64_t count

    cdef void run(self, Cpu cpu) noexcept nogil:
        self.program.run_operations(self.count)


cdef class LawsJudge(Judge):
    """The laws of a protocol."""
    cdef Checker checker
    cdef public bint with_known  # also note what the protocol is known to break

    def __init__(self, protocol: str, every_unlock: bool, with_known: bool = False) -> None:
        self.checker = Checker(protocol)
        self.every_unlock = every_unlock
        self.with_known = with_known

    cdef bint at_rest(self, layout_t *m) noexcept nogil:
        if self.with_known:
            self.checker.note_known(m)
        return not self.checker.check_rest(m)

    cdef bint goes_by_state(self) noexcept nogil:
        """What is known to be broken is counted each time."""
        return not self.with_known

    cdef bint under_lock(self, layout_t *m, uint32_t device, uint64_t cluster) noexcept nogil:
        return not self.checker.check_cluster(m, device, cluster)

    cdef bint under_folio_lock(self, layout_t *m, uint32_t pfn) noexcept nogil:
        return not self.checker.check_folio(m, pfn)

    cdef bint under_page_table_lock(self, layout_t *m, uint32_t mm, uint64_t first, uint64_t end) noexcept nogil:
        return not self.checker.check_pages(m, mm, first, end)

    cdef bint at_warning(self, layout_t *m, int warning) noexcept nogil:
        return not self.checker.check_warning(m, warning)

    cdef bint has_known(self, layout_t *m) noexcept nogil:
        return self.checker.known.has_excused(m)

    def known(self) -> list[dict]:
        return self.checker.known_findings()

    def told(self) -> list[dict]:
        """Laws broken since the last time this was asked."""
        findings = self.checker.findings()
        self.checker.reset()
        return findings


cdef class Exploration:
    """One spec, its segment, and what its schedules have shown so far."""
    cdef object spec, plan, buf, findings
    cdef Engine engine
    cdef Judge judge
    cdef StepRecorder recorder
    cdef list programs
    cdef uint64_t played

    def __init__(self, spec) -> None:
        self.spec = spec
        self.plan = plan(spec)
        self.buf = mmap.mmap(-1, self.plan.size)
        format_run(self.buf, self.plan, spec)
        self.judge = Judge() if spec.laws == "off" else LawsJudge(
            spec.protocol, spec.laws == "every_unlock", True)
        self.findings = Findings()
        self.engine = Engine(self.buf, self.judge)
        self.programs = [Program(self.buf, spec, cpu, on) for cpu, on in enumerate(self.engine.cpus)]

    cdef list bodies(self, list at_work):
        """`at_work` on the first CPUs, nothing on those after them, and those that attend devices last."""
        return at_work + [None] * (self.spec.cpus - len(at_work)) + attending(self.programs)

    cdef list operations(self):
        cdef Operations body
        cdef list all = []
        for program in self.programs[:self.spec.cpus]:
            body = Operations()
            body.program = program
            body.count = self.spec.cooperative.operations_per_cpu
            all.append(body)
        return all

    def prepare(self) -> bool:
        """Make the state that every schedule begins with; whether it is legal."""
        cdef Preparation body = Preparation()
        body.program = self.programs[0]
        self.engine.m.control.cpus_working = 1
        self.engine.prepare(self.bodies([body]))
        self.engine.start_measuring(self.spec.cpus)
        if self.engine.legal():
            return True
        for law in self.judge.told():
            self.findings.add(law["law"], law["sentence"], law["detail"], law["count"], None,
                              "after the preparation, before any schedule")
        return False

    def play(self, should_stop, on_progress) -> None:
        """All schedules of the spec, in batches. ValueError: a replay diverged, and where."""
        ask = self.spec.cooperative
        replay = ask.scheduler == "replay"
        total = 1 if replay else ask.schedules
        schedule = Replay(ask.schedule) if replay else RandomWalk(self.spec.seed)
        limit = STEPS_BEYOND + STEPS_PER_OPERATION * ask.operations_per_cpu * self.spec.cpus
        self.engine.use(schedule, self.bodies(self.operations()), limit)
        if replay:
            self.recorder = StepRecorder(self.engine.execution)
            self.recorder.attach(&self.engine.m)
        size = 1
        while self.played < total and not should_stop():
            began = time.perf_counter()
            until = min(total, self.played + size)
            while self.played < until and time.perf_counter() - began < BATCH_S:
                played, legal = self.engine.play_batch(self.played, until - self.played)
                self.played += played
                if not legal:
                    self.report()
            took = time.perf_counter() - began
            size = max(1, min(size * 2, int(size * BATCH_S / max(took, 1e-6))))
            on_progress(self.progress())

    cdef void report(self) except *:
        """What was illegal in the schedule that was played last."""
        execution = self.engine.execution
        verdict = execution.verdict_text()
        if verdict.startswith("diverged"):
            raise ValueError(f"{verdict}; the recording belongs to another spec or to other code")
        where = f"schedule {self.played - 1} of seed {self.spec.seed}"
        if self.spec.cooperative.scheduler == "replay":
            where = "the replay"
        recording = execution.recording()
        for law in self.judge.told():
            self.findings.add(law["law"], law["sentence"], law["detail"], law["count"], recording, where)
        if verdict in STUCK:
            detail = f"{verdict} after {execution.steps} steps: {execution.waiting_told()}"
            self.findings.add("L2", LAWS["L2"].sentence, detail, 1, recording, where)

    def progress(self) -> dict[str, int]:
        """How far it is: schedules, steps, laws found broken."""
        return {"schedules": self.played, "steps": self.engine.steps, "violated_laws": len(self.findings)}

    def laws_checked(self) -> list[str]:
        """Ids of the laws that were looked at; deadlocks (L2) are seen in any case."""
        if self.spec.laws == "off":
            return []
        checked = laws_for(self.spec.protocol)
        if self.spec.laws == "every_unlock":
            checked += [law for law in laws_for(self.spec.protocol, at_every_unlock=True) if law not in checked]
        return checked

    def told(self, elapsed_s: float, cpu_ns: int) -> dict:
        """The figures of all schedules together, and what was found."""
        spec = self.spec
        told = dict(figures(self.buf, self.plan))
        told.update({
            "violations": self.findings.violations(),
            "known": self.judge.known(),
            "laws_checked": self.laws_checked(),
            "schedules": self.played,
            "steps": self.engine.steps,
            "schedules_per_second": self.played / elapsed_s if elapsed_s > 0 else 0.0,
            "trace_hash": f"{self.engine.hash:016x}",
            "cpu_ns": cpu_ns,
        })
        if spec.cooperative.scheduler == "replay":
            told["trace"] = self.engine.execution.trace_told()
        if self.recorder is not None:
            told["timeline"] = replay_timeline(
                self.buf, self.plan, spec, self.recorder.told(), self.engine.execution.verdict_text(),
                self.findings.violations())
        return told


def explore(spec, should_stop, on_progress) -> dict:
    """Play the schedules of `spec` (workers.spec.RunSpec, executor cooperative) until all are through or should_stop().

    Returns the figures of workers.executors.control.figures summed over all schedules, latencies in virtual ns, and:
    violations (law, sentence, detail, count, schedule: the shortest recording that shows it), known (what the version is known
    to break, and was seen to: law, sentence, detail, count, known: why), laws_checked, schedules,
    steps, schedules_per_second (of real time), trace_hash (hex; equal for equal specs), cpu_ns (real); of a replay also
    trace, its steps as lines, and timeline (workers.timeline.Timeline as a dict). on_progress(dict) is told schedules,
    steps and violated_laws after every batch. Errors: GeometryError, ValueError for a replay that is no recording or
    that diverges, RuntimeError for a preparation that does not end.
    """
    exploration = Exploration(spec)
    began, cpu_began = time.perf_counter(), time.process_time_ns()
    if exploration.prepare():
        exploration.play(should_stop, on_progress)
    return exploration.told(time.perf_counter() - began, time.process_time_ns() - cpu_began)
