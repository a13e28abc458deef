"""One race on one machine, and any number of schedules of it, all from the state that its first steps have left.

An arena owns a private segment. It plays what an oracle asks for and tells what was found; it chooses nothing itself.
"""
from libc.stdint cimport uint32_t
from shm.lock cimport NR_LOCK_CLASSES
from workers.executors.engine cimport Engine
from workers.executors.execution cimport Execution
from workers.executors.script cimport Machine
from workers.executors.step_recorder cimport StepRecorder
from workers.schedulers.schedule cimport Schedule

from workers.executors.execution import STUCK, TICK_MODELS
from workers.executors.script import Machine as ScriptMachine, small_spec
from workers.executors.timeline import replay_timeline
from workers.invariants.registry import LAWS, laws_for
from workers.lockdep import NAMES as LOCK_NAMES
from workers.races import SMALL
from workers.schedulers.pct import PCT
from workers.schedulers.random_walk import RandomWalk
from workers.schedulers.replay import Replay

# Steps after which a schedule makes no progress. A fault takes some 30, a swapoff or an exit of a few mms some 1,000; a
# lasso takes 100 rounds to be told.
STEP_LIMIT = 20_000
NO_CYCLE = "No steps repeat for ever while nobody comes to the end of an operation."
LAWS_OF_RUN = {"off": "off", "at_rest": "at_rest", "every_step": "every_unlock"}  # as workers.spec names the places
KINDS = {"deadlock": "deadlock", "partial deadlock": "partial_deadlock", "no progress": "no_progress",
         "livelock": "livelock", "lost wake-up": "lost_wakeup"}


def spec_of(protocol: str, race, laws: str = "every_step"):
    """The RunSpec of a race's machine. Errors of pydantic: a field that cannot be."""
    fields = {**SMALL, "cpus": max(1, len(race.race)), "laws": LAWS_OF_RUN[laws], **race.fields}
    return small_spec(protocol, "cooperative", **fields)


cdef class Arena:
    """`race` of `protocol`. Errors: ValueError for what cannot be played, RuntimeError when its first steps are not sound."""
    cdef readonly object race, spec
    cdef Machine machine
    cdef Engine engine
    cdef Execution execution
    cdef list bodies

    def __init__(self, protocol, race, laws="every_step", tick="time", liveness=False, delayed_stores=False, judge_each=False) -> None:
        self.race = race
        self.spec = spec_of(protocol, race, laws)
        self.machine = ScriptMachine(self.spec)
        self.engine = self.machine.engine
        self.execution = self.engine.execution
        if race.before:
            self.machine.play_soundly({0: race.before})
        scripts = self.machine.scripts_of(dict(enumerate(race.race)))
        self.bodies = self.machine.bodies(scripts)
        self.machine.m.control.cpus_working = <uint32_t>len(race.race)
        self.engine.capture()
        self.execution.tick_model = TICK_MODELS.index(tick)
        self.execution.liveness = liveness
        self.engine.delayed_stores = delayed_stores
        self.engine.judge_each = judge_each

    def use(self, schedule: Schedule) -> None:
        """Ask `schedule` from now on."""
        self.engine.use(schedule, self.bodies, STEP_LIMIT)

    def play(self, first, nr) -> tuple[int, bool]:
        """Play schedules first, first + 1, ...; how many, and whether the last one was legal. Stops at one that is not.

        ValueError: a replay that diverged, and where.
        """
        played, legal = self.engine.play_batch(first, nr)
        if not legal and self.verdict().startswith("diverged"):
            raise ValueError(self.verdict())
        return played, legal

    def verdict(self) -> str:
        """How the last execution ended."""
        return self.execution.verdict_text()

    def told(self) -> list:
        """What was wrong in the last execution, what made it end first."""
        verdict = self.verdict()
        laws = [{"kind": "law", **law} for law in self.engine.judge.told()]
        if verdict not in STUCK:
            return laws
        law, sentence = ("L1", NO_CYCLE) if verdict == "livelock" else ("L2", LAWS["L2"].sentence)
        detail = f"{verdict} after {self.execution.steps} steps: {self.execution.waiting_told()}"
        if verdict == "livelock":
            detail = f"the {self.execution.lasso.length} steps from step {self.execution.lasso.first} on repeat for ever"
        return [{"kind": KINDS[verdict], "law": law, "sentence": sentence, "detail": detail, "count": 1}] + laws

    def known(self, schedules) -> list:
        """What the version is known to break, as so many schedules each of a random walk and of PCT have seen it: law,
        sentence, detail, count, known."""
        if not self.engine.judge.has_known(&self.engine.m):
            return []
        self.engine.judge.with_known = True
        for oracle in (RandomWalk(1), PCT(1, 2)):
            self.use(oracle)
            for number in range(schedules):
                if not self.play(number, 1)[1]:
                    self.told()
        self.engine.judge.with_known = False
        return self.engine.judge.known()

    def recording(self) -> str:
        """The choices of the last execution as hex."""
        return self.execution.recording()

    @property
    def steps(self) -> int:
        """Of all schedules together."""
        return self.engine.steps

    @property
    def last_steps(self) -> int:
        """Of the last schedule."""
        return self.execution.steps

    @property
    def last_hash(self) -> int:
        """Of the last schedule's steps: object, kind, access, CPU."""
        return self.execution.hash

    @property
    def judged(self) -> int:
        """Schedules whose last state the laws were asked of: that of the others had been found sound before."""
        return self.engine.judged

    @property
    def redundant(self) -> int:
        """Schedules that the oracle has cut."""
        return self.engine.redundant

    @property
    def unfair(self) -> int:
        """Schedules that left a CPU out until the limit of steps: they show nothing."""
        return self.engine.unfair

    @property
    def exhausted(self) -> bool:
        """Whether the oracle has no further schedule."""
        return self.engine.exhausted

    @property
    def preemptions(self) -> int:
        """Of the last schedule: switches away from a CPU that could have gone on."""
        return self.execution.preemptions

    def starvation(self) -> dict:
        """The largest number of times that others passed a waiter, by class of lock; ticks that one CPU slept."""
        told = {LOCK_NAMES[cls]: self.execution.most_passed[cls] for cls in range(NR_LOCK_CLASSES)
                if self.execution.most_passed[cls]}
        if self.execution.most_ticks:
            told["ticks"] = self.execution.most_ticks
        return told

    def laws_checked(self) -> list:
        """Ids of the laws that are looked at; deadlocks (L2) are seen in any case."""
        if self.spec.laws == "off":
            return []
        checked = laws_for(self.spec.protocol)
        if self.spec.laws == "every_unlock":
            checked += [law for law in laws_for(self.spec.protocol, at_every_unlock=True) if law not in checked]
        return checked

    def timeline(self, recording) -> dict:
        """Replay `recording` and keep its steps: workers.timeline.Timeline as a dict. ValueError: it diverges, and where."""
        cdef StepRecorder recorder = StepRecorder(self.execution)
        self.use(Replay(recording))
        recorder.attach(&self.engine.m)
        try:
            self.play(0, 1)
        finally:
            recorder.detach()
        told = replay_timeline(
            self.machine.buf, self.machine.plan, self.spec, recorder.told(), self.verdict(), self.told())
        return told | {"scenario": self.race.name}

    def trace_lines(self) -> list:
        """The steps of the last execution as lines."""
        return self.execution.trace_told()

    def trace_bytes(self) -> bytes:
        """The steps of the last execution: equal executions have equal ones."""
        return self.execution.trace_bytes()
