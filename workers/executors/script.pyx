"""Scripts on named CPUs, on either executor: what the self-check plays, and whoever wants one race and no other.

A `Machine` is a formatted segment and its CPUs. `play` gives each CPU a script (workers/workloads/script.pyx) and goes on
from the state that the last play has left. On `processes` each CPU is a forked process that waits for the others before
its first step; on `cooperative` each schedule is another random walk. The laws are looked at after every play, at rest,
and with laws=every_unlock wherever a lock is released or a step warns.
"""
from libc.stdint cimport uint32_t, uint64_t

from shm.atomic cimport add32, load32
from shm.layout cimport layout_t, percpu_of
from shm.percpu cimport PHASE_LEFT, PHASE_RUNNING
from shm.vmstat cimport NR_EVENTS
from workers.cpu cimport Cpu
from workers.executors.engine cimport Body, Engine, Judge
from workers.executors.program cimport Program
from workers.mm.page_io cimport worker_leaves
from workers.workloads.script cimport Script

import mmap
import time
from dataclasses import dataclass

from shm.records import EVENTS
from workers.executors.attending import attending
from workers.executors.child import Child, kill_all
from workers.executors.control import format_run
from workers.executors.cooperative import LawsJudge
from workers.executors.execution import STUCK
from workers.executors.plan import plan
from workers.executors.watch import readable
from workers.invariants.registry import check_at_rest
from workers.schedulers.random_walk import RandomWalk
from workers.schedulers.replay import Replay
from workers.spec import DeviceSpec, MemcgSpec, RunSpec

cdef extern from "<sched.h>" nogil:
    int sched_yield()

STEP_LIMIT = 20_000_000  # of a schedule: far above an exit of 256 mms, and half a second of real time
PATIENCE_NS = 60_000_000_000  # for processes: a script takes milliseconds, and a loaded machine ten times that


@dataclass(frozen=True)
class Played:
    """One play. `results` by CPU and step, None for steps that were not reached; `verdict` is `completed`, or how the
    CPUs did not come to their end; `violations` of laws: law, sentence, detail, count; `events` of this play, summed over
    the CPUs; `recording`: choices as hex (cooperative)."""

    results: dict
    verdict: str
    violations: list
    events: dict
    recording: str | None

    @property
    def sound(self) -> bool:
        """Whether all CPUs came to their end and no law is broken."""
        return self.verdict == "completed" and not self.violations

    def told(self) -> str:
        """What is wrong, in a few lines."""
        lines = [f"{self.verdict}; results {self.results}"]
        return "\n".join(lines + [f"{v['law']}: {v['detail']} ({v['count']} times)" for v in self.violations])


class Unsound(RuntimeError):
    """A play in which a CPU did not come to its end, or a law does not hold. `played` says which."""

    def __init__(self, played) -> None:
        super().__init__(played.told())
        self.played = played


def small_spec(protocol: str, executor: str, **other) -> RunSpec:
    """A spec for scripts: a machine of a few dozen pages, where every path is near. `other`: fields that differ."""
    fields = {"cpus": 3, "mms": 4, "pages": 8, "folios": 64, "slots": 48, "cluster_slots": 8, "lockdep": True,
              "memcg": MemcgSpec(limit_pages=48), "device": DeviceSpec(read_ns=2_000, write_ns=2_000),
              "laws": "every_unlock" if executor == "cooperative" else "at_rest"}
    fields.update(other)
    return RunSpec(protocol=protocol, executor=executor, scenario="mix", mix={"load": 1}, **fields)


cdef class Scripted(Body):
    cdef void run(self, Cpu cpu) noexcept nogil:
        cpu.my.phase = PHASE_RUNNING
        self.script.play(cpu, self.program.protocol)
        worker_leaves(cpu)
        cpu.my.phase = PHASE_LEFT


cdef class Machine:
    """A segment for `spec` with nothing in it yet. Errors: GeometryError, ValueError for what no segment can hold."""
    def __init__(self, spec) -> None:
        self.spec = spec
        self.plan = plan(spec)
        self.buf = mmap.mmap(-1, self.plan.size)
        format_run(self.buf, self.plan, spec)
        on = [None] * self.plan.workers
        if spec.executor == "cooperative":
            judge = Judge() if spec.laws == "off" else LawsJudge(spec.protocol, spec.laws == "every_unlock")
            self.engine = Engine(self.buf, judge)
            on = self.engine.cpus
        self.programs = [Program(self.buf, spec, cpu, on[cpu]) for cpu in range(self.plan.workers)]
        self.m = (<Program>self.programs[0]).cpu.m
        self.start = mmap.mmap(-1, mmap.PAGESIZE)

    def play(self, scripts, schedules: int = 1, replay: str | None = None, oracle=None) -> list[Played]:
        """Play `scripts` (CPU -> steps) `schedules` times from one and the same state, and stop at what is not sound.

        The last one's state stays. `oracle` chooses, None: a random walk of the spec's seed. `replay`: the recording of a play
        of the same scripts from the same state, instead. ValueError: a step that cannot be, a CPU that is not there, a replay on real CPUs or of another play.
        """
        made = self.scripts_of(scripts)
        bodies = self.bodies(made)
        self.m.control.cpus_working = <uint32_t>len(made)
        played = []
        state = self.begin(bodies, schedules, Replay(replay) if replay is not None else oracle)
        for i in range(schedules):
            if i and self.engine is None:
                self.buf[:] = state
            for script in made.values():
                script.reset()
            before = self.events()
            verdict, violations, recording = self.play_once(bodies)
            events = {name: n - before[name] for name, n in self.events().items()}
            results = {cpu: script.results() for cpu, script in made.items()}
            one = Played(results, verdict, violations, events, recording)
            played.append(one)
            if not one.sound:
                break
        if self.engine is not None:
            self.engine.clock_ns = self.engine.execution.clock_ns
        return played

    def play_soundly(self, scripts, schedules: int = 1) -> Played:
        """As `play`, and the last one. Unsound: the first that is not sound."""
        played = self.play(scripts, schedules)
        last = played[len(played) - 1]
        if not last.sound:
            raise Unsound(last)
        return last

    cdef dict scripts_of(self, scripts):
        """Compiled scripts by CPU. ValueError: a step that cannot be, a CPU that is not there."""
        shape = self.plan.shape
        cdef object geo = self.plan.geometry
        sizes = (shape.pages, shape.mms, geo.memcgs, geo.inodes, geo.inode_pages, geo.devices)
        made = {cpu: Script(steps, *sizes) for cpu, steps in scripts.items()}
        for cpu in made:
            if not 0 <= cpu < self.spec.cpus:
                raise ValueError(f"a script for cpu {cpu}: there are CPUs 0 to {self.spec.cpus - 1}")
        return made

    cdef list bodies(self, dict scripts):
        cdef Scripted working
        cdef list all = [None] * self.spec.cpus
        for cpu, script in scripts.items():
            working = Scripted()
            working.script = script
            working.program = self.programs[cpu]
            all[cpu] = working
        return all + attending(self.programs)

    def begin(self, bodies, schedules, oracle):
        """Keep the state that each schedule begins with."""
        if self.engine is None:
            if oracle is not None:
                raise ValueError("a replay and an oracle need executor=cooperative: real CPUs cannot be told when to go on")
            return self.buf[:] if schedules > 1 else None
        self.engine.capture()
        self.engine.use(RandomWalk(self.spec.seed) if oracle is None else oracle, bodies, STEP_LIMIT)
        return None

    cdef tuple play_once(self, list bodies):
        """verdict, violations, recording."""
        if self.engine is None:
            verdict = self.fork_and_wait(bodies)
            violations = check_at_rest(self.buf, self.spec.protocol) if verdict == "completed" else []
            return verdict, violations, None
        self.engine.play_batch(self.number, 1)
        self.number += 1
        execution = self.engine.execution
        verdict = execution.verdict_text()
        if verdict.startswith("diverged"):
            raise ValueError(f"{verdict}; the recording belongs to other scripts, another state or other code")
        if verdict in STUCK:
            verdict += f" after {execution.steps} steps: {execution.waiting_told()}"
        return verdict, self.engine.judge.told(), execution.recording()

    cdef str fork_and_wait(self, list bodies):
        """A process for each body, all begun together; how they ended."""
        cdef uint32_t nr = sum(body is not None for body in bodies)
        cdef uint64_t until_ns = time.monotonic_ns() + PATIENCE_NS
        self.start[:4] = bytes(4)
        children = [Child.fork(lambda cpu=cpu: self.be(bodies[cpu], cpu, nr))
                    for cpu in range(len(bodies)) if bodies[cpu] is not None]
        waiting = list(children)
        while waiting and time.monotonic_ns() < until_ns:
            readable([child.pidfd for child in waiting], until_ns - time.monotonic_ns())
            waiting = [child for child in waiting if not child.reap()]
        kill_all(waiting)
        if waiting:
            return f"stuck: {len(waiting)} of {len(children)} CPUs did not come to their end"
        ends = {child.how() for child in children if child.exit != 0}
        return "a CPU " + " and ".join(sorted(ends)) if ends else "completed"

    def be(self, Body body, int cpu, uint32_t nr) -> int:
        """In a child: wait for the other ones, then run. 0, or 1 when a lock is still held at the end."""
        cdef unsigned char[:] page = self.start
        cdef uint32_t *arrived = <uint32_t *>&page[0]
        cdef Cpu on = (<Program>self.programs[cpu]).cpu
        with nogil:
            add32(arrived, 1)
            while load32(arrived) < nr:
                sched_yield()
            body.run(on)
        return 0 if on.held.depth == 0 else 1

    cdef dict events(self):
        cdef uint32_t cpu
        cdef int i
        total = [0] * NR_EVENTS
        for cpu in range(<uint32_t>self.m.geo.cpus):
            for i in range(NR_EVENTS):
                total[i] += percpu_of(&self.m, cpu).events[i]
        return dict(zip(EVENTS, total))
