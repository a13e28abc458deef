"""The life of a run: only the steps of the diagram happen, whatever is called in whatever order by whomever."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server.processes import myself
from server.states import LIVE, STATES, TERMINAL, TRANSITIONS, RunState, sources
from server.store import ConflictError, open_store
from tests.database.outcomes import made_outcome
from workers.outcome import Status
from workers.spec import RunSpec

STATUSES: list[Status] = ["succeeded", "failed", "timed_out", "lost", "cancelled"]


def test_the_diagram_is_whole() -> None:
    reached: set[RunState] = {"queued"}
    for state in STATES:
        reached |= TRANSITIONS[state]
    assert reached == set(STATES) == set(TRANSITIONS)
    assert {"succeeded", "failed", "timed_out", "lost", "cancelled"} == TERMINAL
    assert sources("cancelled") == ["queued", "cancelling"]
    assert all("cancelling" in TRANSITIONS[state] for state in LIVE - {"cancelling"})


def reachable(state: RunState, target: RunState) -> bool:
    """True if the diagram leads from `state` to `target` in one step or more."""
    found: set[RunState] = set()
    left = [state]
    while left:
        steps = TRANSITIONS[left.pop()] - found
        found |= steps
        left += steps
    return target in found


class Lives(RuleBasedStateMachine):
    """Runs of one store under calls with tokens old and new; what was seen before says what may be seen now."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = open_store(f"sqlite:///{Path(self.folder.name) / 'results.db'}")
        self.tokens: list[str] = []
        self.seen: dict[int, RunState] = {}

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @rule()
    def create(self) -> None:
        self.store.create_run(RunSpec(protocol="swap_cache"))

    @rule(lease_seconds=st.sampled_from([-1.0, 15.0]))
    def claim(self, lease_seconds: float) -> None:
        claim = self.store.claim(myself(), lease_seconds=lease_seconds)
        if claim is not None:
            self.tokens.append(claim.token)

    @precondition(lambda self: self.tokens)
    @rule(data=st.data())
    def run(self, data: st.DataObject) -> None:
        self.store.mark_running(data.draw(st.sampled_from(self.tokens)))

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), status=st.sampled_from(STATUSES))
    def finish(self, data: st.DataObject, status: Status) -> None:
        self.store.finish(data.draw(st.sampled_from(self.tokens)), made_outcome(status=status))

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), status=st.sampled_from(STATUSES))
    def give_up(self, data: st.DataObject, status: Status) -> None:
        self.store.give_up(data.draw(st.sampled_from(self.tokens)), status, "code", "Sentence.")

    @precondition(lambda self: self.tokens)
    @rule(data=st.data())
    def requeue(self, data: st.DataObject) -> None:
        self.store.requeue(data.draw(st.sampled_from(self.tokens)))

    @precondition(lambda self: self.tokens)
    @rule(data=st.data())
    def heartbeat(self, data: st.DataObject) -> None:
        self.store.heartbeat(data.draw(st.sampled_from(self.tokens)), lease_seconds=15)

    @precondition(lambda self: self.seen)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        run_id = data.draw(st.sampled_from(sorted(self.seen)))
        try:
            self.store.cancel_run(run_id)
        except ConflictError:
            assert self.seen[run_id] in TERMINAL

    @invariant()
    def only_steps_of_the_diagram(self) -> None:
        for run in self.store.list_runs(limit=200)[0]:
            before = self.seen.get(run.id, "queued")
            assert run.state == before or reachable(before, run.state), f"{before} -> {run.state}"
            assert (run.finished_at is not None) == (run.state in TERMINAL)
            assert (run.metrics is None) or run.state in TERMINAL
            self.seen[run.id] = run.state


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=12, stateful_step_count=20, deadline=None)
