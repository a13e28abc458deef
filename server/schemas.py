"""What the service takes and gives: pydantic models shared by the store, the API and the CLI.

Everything refuses unknown keys. Times are UTC in RFC 3339 with microseconds; units stand last in names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from server.states import TERMINAL, RunState
from workers.outcome import Histogram, KnownBreach, Violation, Wait
from workers.spec import RunSpec

MAX_ID = (1 << 63) - 1  # SQLite's INTEGER is signed and of 64 bits
MAX_ARMS = 256  # of all cells of a matrix together
MAX_REPEATS = 1_000
MAX_COMPARED_RUNS = 1_000  # per side


Id = Annotated[int, Field(ge=1, le=MAX_ID)]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StateReason(Model):
    """Why a run is in its state: a code for programs and a sentence for people."""

    code: str
    sentence: str


class Run(Model):
    """One run as the store knows it. Figures are None until an outcome has come."""

    id: int
    state: RunState
    state_reason: StateReason | None = None
    protocol: str
    scenario: str
    executor: str
    cpus: int
    seed: int
    config_hash: str = Field(description="sha-256 of the canonical spec without its seed")
    spec: RunSpec
    study_id: int | None = None
    arm: str | None = None
    block: int | None = None
    position: int | None = Field(None, description="place in the order of the block, from 0")
    retry_of: int | None = Field(None, description="the run whose spec and seed this one repeats")
    attempts: int = Field(description="how often the run has been started")
    host: str | None = Field(None, description="where its outcome was measured")
    created_at: str
    claimed_at: str | None = None
    running_at: str | None = None
    finished_at: str | None = None
    elapsed_ns: int | None = None
    metrics: dict[str, float | int | None] | None = None
    waits: dict[str, Wait] | None = None
    events: dict[str, int] | None = None
    laws_checked: list[str] | None = None
    known: list[KnownBreach] | None = Field(
        None, description="laws that it broke as its kernel is known to, with the number in the museum: no news"
    )

    @property
    def finished(self) -> bool:
        """True in a state that nothing leaves."""
        return self.state in TERMINAL


class Arm(Model):
    """One side of a study: a name and a spec, whose seed the study sets."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$")
    spec: RunSpec
    cell: str | None = Field(
        None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$", description="arms of one cell are compared with each other"
    )


def check_arms(arms: Sequence[Arm]) -> None:
    """Raise ValueError for arms that share a name or bring a seed of their own."""
    times = Counter(arm.name for arm in arms)
    twice = sorted(name for name, number in times.items() if number > 1)
    if twice:
        raise ValueError(f"arms need different names; given more than once: {', '.join(twice)}")
    for arm in arms:
        if "seed" in arm.spec.model_fields_set:
            raise ValueError(f"arm {arm.name} sets a seed; the seeds of a study come from its 'seed', one a repeat")


class StudyCreate(Model):
    """Arms times repeats: every arm runs once with each of the seeds from `seed` on, in an order that alternates."""

    name: str = Field("", max_length=200)
    arms: list[Arm] = Field(min_length=1, max_length=MAX_ARMS)
    repeats: int = Field(10, ge=1, le=MAX_REPEATS, description="blocks; each runs every arm once")
    seed: int = Field(1, ge=0, lt=(1 << 63) - MAX_REPEATS, description="seed of block 0")

    @model_validator(mode="after")
    def _arms_are_told_apart(self) -> StudyCreate:
        check_arms(self.arms)
        return self


class Study(Model):
    """A study with how far it is: runs by state."""

    id: int
    name: str
    arms: list[Arm]
    repeats: int
    seed: int
    created_at: str
    runs: int
    states: dict[str, int] = Field(description="state -> number of runs in it")
    finished: bool = Field(description="true once every run is in a final state")


class Sample(Model):
    """The figures of a living run at one moment, at most one a second."""

    at_ns: int = Field(description="CLOCK_MONOTONIC of the supervisor")
    figures: dict[str, float | int | None]


class Attempt(Model):
    """One start of a run with all that it was done under. `token` fences late results off."""

    token: str
    number: int
    config: dict[str, Any]
    config_hash: str
    seed: int
    claimed_at: str
    running_at: str | None = None
    heartbeat_at: str | None = None
    finished_at: str | None = None
    supervisor_pid: int | None = None
    segment: str | None = None
    status: str | None = None
    environment: dict[str, Any] | None = None
    evidence: dict[str, Any] | None = Field(None, description="what is kept without being believed")


class Result(Model):
    """A run with all that its last attempt left: the figures of a comparison come from here."""

    run: Run
    environment: dict[str, Any]
    histograms: dict[str, Histogram]
    violations: list[Violation]


class ComparisonCreate(Model):
    """Two arms of a study, or two lists of runs; or a baseline by its name against an arm or a list."""

    against: str | None = Field(None, max_length=64, description="name of a baseline, in place of the baseline's side")
    study: Id | None = None
    baseline: str | None = Field(None, max_length=64)
    candidate: str | None = Field(None, max_length=64)
    baseline_runs: list[Id] | None = Field(None, min_length=1, max_length=MAX_COMPARED_RUNS)
    candidate_runs: list[Id] | None = Field(None, min_length=1, max_length=MAX_COMPARED_RUNS)

    @model_validator(mode="after")
    def _one_of_the_two_shapes(self) -> ComparisonCreate:
        by_study = (self.study, self.baseline, self.candidate)
        by_runs = (self.baseline_runs, self.candidate_runs)
        if self.against is not None:
            by_arm = self.study is not None and self.candidate is not None and self.candidate_runs is None
            by_list = (self.study, self.candidate) == (None, None) and self.candidate_runs is not None
            if self.baseline is None and self.baseline_runs is None and (by_arm or by_list):
                return self._with_every_run_once()
            raise ValueError("beside 'against' give either 'study' and 'candidate', or 'candidate_runs'")
        if all(part is not None for part in by_study) and by_runs == (None, None):
            return self
        if by_study == (None, None, None) and None not in by_runs:
            return self._with_every_run_once()
        raise ValueError(
            "give either 'study', 'baseline' and 'candidate' (names of two arms), "
            "or 'baseline_runs' and 'candidate_runs' (lists of run ids), or 'against' and one side"
        )

    def _with_every_run_once(self) -> ComparisonCreate:
        given = Counter([*(self.baseline_runs or []), *(self.candidate_runs or [])])
        twice = sorted(run_id for run_id, times in given.items() if times > 1)
        if twice:
            raise ValueError(f"a run counts once, on one side; given more than once: {', '.join(map(str, twice))}")
        return self


class StoredComparison(Model):
    """A comparison as it was made: what was asked, which runs it took, and the result of server.compare."""

    id: int
    created_at: str
    study_id: int | None
    baseline: str | None
    candidate: str | None
    baseline_runs: list[int]
    candidate_runs: list[int]
    result: dict[str, JsonValue]


class BaselineCreate(Model):
    """Runs to keep under a name: by number, or an arm of a study."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$")
    note: str = Field("", max_length=2_000)
    runs: list[Id] | None = Field(None, min_length=1, max_length=MAX_COMPARED_RUNS)
    study: Id | None = None
    arm: str | None = Field(None, max_length=64)

    @model_validator(mode="after")
    def _one_of_the_two_shapes(self) -> BaselineCreate:
        by_arm = self.study is not None and self.arm is not None
        if (self.runs is not None) == by_arm or (self.runs is not None and (self.study, self.arm) != (None, None)):
            raise ValueError("give either 'runs' (a list of run ids), or 'study' and 'arm'")
        if self.runs is not None and len(set(self.runs)) != len(self.runs):
            raise ValueError("a run counts once in 'runs'")
        return self


class Baseline(Model):
    """A named set of runs."""

    id: int
    name: str
    note: str
    created_at: str
    runs: list[int]
    protocols: list[str]


class Calibration(Model):
    """What an A/A comparison found: the noise below which no change can be told on that host."""

    id: int
    study_id: int
    created_at: str
    result: dict[str, JsonValue]


class Host(Model):
    """A machine, as its newest run saw it, with its newest calibrations."""

    name: str
    first_seen: str
    last_seen: str
    runs: int
    environment: dict[str, Any]
    calibrations: list[Calibration]


class RunFilter(Model):
    """What a list of runs may be narrowed by."""

    state: RunState | None = None
    protocol: str | None = Field(None, max_length=64)
    scenario: str | None = Field(None, max_length=64)
    study: int | None = Field(None, ge=1, le=MAX_ID)


Kind = Literal["claimed", "started", "running", "heartbeat", "sample", "finished"]
