"""The service as a client of a live run that is driven from outside. docs/load.md tells what users see of it.

The claims lie with the supervisor of the run: this side keeps nothing, so any server on the host of the run can serve
any batch, and a restart loses none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.store import Store
from workers.batch import OUTCOMES, Done, Refused, ask, error_name, operate, packed

ANSWER_SECONDS = 5.0  # the supervisor answers within a millisecond, unless it is stopped
BATCH_SECONDS = 20.0  # beyond its budget a batch takes as long as its last operation: a swapoff, under load
NS_PER_MS = 1_000_000
STATUS = {"cpu_busy": 409, "claim_lost": 409, "not_running": 409, "too_many": 503}


class Unavailable(RuntimeError):
    """What was asked cannot be done now; `status` is the HTTP status that says so."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code


class OutOfRange(ValueError):
    """A number that this run has no room for; `pointer` is a JSON pointer into the body."""

    def __init__(self, sentence: str, pointer: str) -> None:
        super().__init__(sentence)
        self.pointer = pointer


@dataclass(frozen=True)
class Drive:
    """A batch that was played: on which CPU, under which claim (None: given back), how it ended, what came of it."""

    cpu: int
    claim: str | None
    end: str
    results: list[dict[str, Any]]


@dataclass(frozen=True)
class LiveRun:
    """A run whose CPUs listen. Methods raise Unavailable, OutOfRange."""

    run_id: int
    segment: str

    def status(self) -> dict[str, Any]:
        """pages, mms, cpus, latencies."""
        return self._ask({"do": "status"})

    def finish(self) -> None:
        """End the measured time now."""
        self._ask({"do": "finish"})

    def drive(
        self,
        operations: Sequence[Mapping[str, Any]],
        *,
        claim: str | None,
        cpu: int | None,
        lease_ms: int,
        budget_ms: int,
        release: bool,
    ) -> Drive:
        """Play `operations` on the CPU of `claim`; without one, on `cpu` (or any that is free), claimed for this."""
        token = claim
        if token is None:
            token = str(self._ask({"do": "claim", "cpu": cpu, "lease_ms": lease_ms})["claim"])
        try:
            cpu_played, end, done = self._operate(token, packed(operations), budget_ms)
        except (Unavailable, OutOfRange):
            if claim is None:  # nobody was told of this claim
                self._ask({"do": "release", "claim": token})
            raise
        if release and end != "stopped":
            self._ask({"do": "release", "claim": token})
        results = [_told(operation, each) for operation, each in zip(operations, done, strict=False)]
        return Drive(cpu_played, None if release or end in ("stopped", "claim_lost") else token, end, results)

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return ask(self.segment, request, ANSWER_SECONDS)
        except Refused as refused:
            raise self._error(refused) from refused
        except TimeoutError as error:
            raise Unavailable(504, "no_answer", f"The supervisor of run {self.run_id} does not answer.") from error

    def _operate(self, token: str, steps: bytes, budget_ms: int) -> tuple[int, str, list[Done]]:
        try:
            return operate(self.segment, token, steps, budget_ms * NS_PER_MS, BATCH_SECONDS + budget_ms / 1e3)
        except Refused as refused:
            raise self._error(refused) from refused
        except TimeoutError as error:
            sentence = f"An operation takes longer than {BATCH_SECONDS:g} s; it goes on, its latency is lost."
            raise Unavailable(504, "operation_slow", sentence) from error

    def _error(self, refused: Refused) -> Exception:
        answer = refused.answer
        if refused.code == "out_of_range":
            return OutOfRange(str(refused), f"#/operations/{answer['index']}/{answer['field']}")
        if refused.code == "no_such_cpu":
            return OutOfRange(str(refused), "#/cpu")
        sentence = f"Run {self.run_id}: {refused}."
        return Unavailable(STATUS.get(refused.code, 409), refused.code, sentence)


def live_run(store: Store, run_id: int) -> LiveRun:
    """The live run of that id. Raises NotFoundError, Unavailable."""
    run = store.get_run(run_id)
    if run.spec.driver != "external":
        sentence = f"Run {run_id} is driven by its scenario; only a run with driver=external takes operations."
        raise Unavailable(409, "not_external", sentence)
    if run.state != "running":
        raise Unavailable(409, "not_running", f"Run {run_id} is {run.state}; only a running one takes operations.")
    segment = store.attempts_of(run_id)[-1].segment
    if segment is None:
        raise Unavailable(409, "not_running", f"Run {run_id} has no segment yet.")
    return LiveRun(run_id, segment)


def _told(operation: Mapping[str, Any], done: Done) -> dict[str, Any]:
    accessed = operation["op"] in ("load", "store") and done.result >= 0
    return {
        "result": done.result,
        "error": error_name(done.result),
        "outcome": OUTCOMES[done.outcome] if accessed else None,
        "latency_ns": done.latency_ns,
    }
