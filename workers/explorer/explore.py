"""An exploration: its jobs as processes, the first finding of any, one outcome. A crash of the core ends a job only."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

from workers import environment
from workers.executors.child import Child, kill_all
from workers.executors.watch import readable
from workers.exploration import ExplorationEvent, ExplorationFinding, ExplorationOutcome, ExplorationSpec, StrategyTold
from workers.races import RACES, Race

POLL_NS = 200_000_000  # how often a cancel is looked for
PROGRESS_S = 0.5


class Job:
    """A forked process that searches, and what it has said."""

    def __init__(self, spec: ExplorationSpec, race: Race, number: int) -> None:
        self.fileno, out = os.pipe()
        self.progress: dict[str, Any] = {}
        self.end: dict[str, Any] | None = None
        self._rest = b""
        self._open = True
        self.child = Child.fork(lambda: _search(spec, race, number, out))
        os.close(out)

    @property
    def done(self) -> bool:
        """Whether nothing more is to be expected."""
        return not self._open

    def read(self) -> None:
        """Take in what has been said."""
        data = os.read(self.fileno, 1 << 20)
        if not data:
            self._open = False
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            said = json.loads(line)
            if "progress" in said:
                self.progress = said
            else:
                self.end = said

    def close(self) -> None:
        """End it if it lives."""
        kill_all([self.child])
        os.close(self.fileno)


def _search(spec: ExplorationSpec, race: Race, number: int, fileno: int) -> int:
    """In a child, and in children alone, the compiled core is loaded: it may crash or hang there."""
    from workers.explorer.job import run_job

    return run_job(spec, race, number, fileno)


def explore(
    spec: ExplorationSpec, cancelled: Callable[[], str | None], tell: Callable[[ExplorationEvent], None]
) -> ExplorationOutcome:
    """Explore as `spec` says; the outcome, whatever happens. `cancelled` says why it is to end; None to go on."""
    if spec.scenario not in RACES:
        races = ", ".join(sorted(RACES))
        return ExplorationOutcome(status="failed", reason=f"there is no race {spec.scenario!r}; there are: {races}")
    began = time.perf_counter()
    jobs = [Job(spec, RACES[spec.scenario], number) for number in range(spec.jobs)]
    try:
        why = _attend(jobs, cancelled, tell, began)
    finally:
        for job in jobs:
            job.close()
    return _outcome(spec, jobs, why, time.perf_counter() - began)


def _attend(
    jobs: list[Job], cancelled: Callable[[], str | None], tell: Callable[[ExplorationEvent], None], began: float
) -> str | None:
    """Until all jobs have ended, one has found something or covered all, or somebody cancels: then why."""
    last = began
    while not all(job.done for job in jobs):
        why = cancelled()
        if why is not None:
            return why
        ready = readable([job.fileno for job in jobs if not job.done], POLL_NS)
        for job in jobs:
            if job.fileno in ready and not job.done:
                job.read()
            if job.end is not None and ("wrong" in job.end or job.end["finding"] or job.end["end"]["exhausted"]):
                return None
        if time.perf_counter() - last >= PROGRESS_S:
            last = time.perf_counter()
            tell(
                ExplorationEvent(
                    event="progress",
                    schedules=sum(_schedules(job) for job in jobs),
                    seconds=last - began,
                    strategy=jobs[0].progress.get("strategy"),
                )
            )
    return None


def _schedules(job: Job) -> int:
    """How many schedules a job has told of."""
    if job.end is not None and "end" in job.end:
        return int(job.end["end"]["schedules"])
    return int(job.progress.get("progress", 0))


def _outcome(spec: ExplorationSpec, jobs: list[Job], why: str | None, seconds: float) -> ExplorationOutcome:
    wrong = [job.end["wrong"] for job in jobs if job.end is not None and "wrong" in job.end]
    ends = [job.end for job in jobs if job.end is not None and "end" in job.end]
    findings = [ExplorationFinding.model_validate(end["finding"]) for end in ends if end["finding"]]
    schedules = sum(_schedules(job) for job in jobs)
    searched = max([end["seconds"] for end in ends], default=seconds)
    starvation: dict[str, int] = {}
    for end in ends:
        for name, most in end["end"]["starvation"].items():
            starvation[name] = max(most, starvation.get(name, 0))
    status, reason = _verdict(wrong, findings, ends, jobs, why)
    return ExplorationOutcome(
        status=status,
        reason=reason,
        findings=findings[:1],
        strategies=[StrategyTold.model_validate(told) for end in ends for told in end["end"]["strategies"]],
        schedules=schedules,
        steps=sum(end["end"]["steps"] for end in ends),
        seconds=searched,
        schedules_per_second=schedules / searched if searched > 0 else 0.0,
        exhausted=any(end["end"]["exhausted"] for end in ends),
        starvation=starvation,
        laws_checked=ends[0]["end"]["laws_checked"] if ends else [],
        known=ends[0]["end"]["known"] if ends else [],
        environment=environment.collect(spec.protocol),
    )


def _verdict(
    wrong: list[str], findings: list[ExplorationFinding], ends: list[dict[str, Any]], jobs: list[Job], why: str | None
) -> tuple[Any, str]:
    """Status and reason."""
    if wrong:
        return "failed", wrong[0]
    if findings:
        return "found", f"{findings[0].law}: {findings[0].detail}"
    if why is not None:
        return "cancelled", why
    if len(ends) < len(jobs) and not any(end["end"]["exhausted"] for end in ends):
        crashed = next(job for job in jobs if job.end is None)
        return "failed", f"a process of the search {crashed.child.how()} before it came to its end"
    if any(end["end"]["exhausted"] for end in ends):
        return "clean", "all interleavings are covered, and every law that was checked held"
    return "clean", "nothing was found within the budget"
