"""One attempt from its claim to its end: the supervisor's lines become rows, and its silence becomes a reason."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from server.config import Settings
from server.journal import journal_path, remove_journal
from server.recovery import Adopted, sweep_segments
from server.schemas import Kind, Run
from server.states import RunState
from server.store import Claim, Store
from server.supervisor_client import Supervisor, SupervisorError, tell_log
from workers.outcome import Event, Outcome
from workers.spec import RunSpec

LOOK_SECONDS = 0.2  # how often a cancel is looked for; a look is one indexed read


@dataclass(frozen=True)
class Notice:
    """Something that happened to a run: for a progress bar or a log. `run` is set when claimed and finished."""

    kind: Kind
    run_id: int
    run: Run | None = None
    event: Event | None = None


@dataclass(frozen=True)
class Verdict:
    """How an attempt ends that left no outcome."""

    state: RunState
    code: str
    sentence: str


def deadline_seconds(spec: RunSpec, settings: Settings) -> float:
    """Time that a run has from its start: its measured time and a margin, or what a cooperative run is given."""
    if spec.executor == "cooperative":
        return settings.cooperative_deadline_seconds
    return spec.seconds + settings.deadline_margin_seconds


class Watch:
    """Watches one attempt. `watch` returns when the run is in a final state and nothing of it is left.

    A store that waits for its database holds up rows, not the run: what the supervisor says waits in its journal.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        claim: Claim,
        on_notice: Callable[[Notice], None],
        *,
        adopted: Adopted | None = None,
        outlives: bool = True,
    ) -> None:
        """The watch over the attempt of `claim`, which is started anew unless it is `adopted`.

        A supervisor that `outlives` this process is found by the next dispatcher of this host; where there may be none,
        as in the worker of an engine, it dies with it.
        """
        self._store = store
        self._settings = settings
        self._claim = claim
        self._on_notice = on_notice
        self._adopted = adopted
        self._outlives = outlives
        self._deadline_seconds = deadline_seconds(claim.spec, settings)
        self._state: RunState | None = "starting"
        self._running = False
        self._outcome: Outcome | None = None
        self._cancelled_at: float | None = None
        now = time.monotonic()
        self._started_at = now if adopted is None else now - adopted.age_seconds
        self._heard_at = self._renewed_at = self._looked_at = now

    def watch(self, is_stopping: Callable[[], bool]) -> None:
        """Run the attempt to its end. `is_stopping` turns true when the run is to be cancelled from here."""
        journal = self._journal
        try:
            if self._adopted is None:
                self._store.record_journal(self._claim.token, str(journal))
            with self._supervisor() as supervisor:
                self._store.record_supervisor(self._claim.token, supervisor.identity)
                verdict = self._supervise(supervisor, is_stopping)
        except SupervisorError as error:
            verdict = Verdict("failed", "supervisor_failed", str(error))
        sweep_segments()
        if self._outcome is not None:
            self._store.finish(self._claim.token, self._outcome)
        elif verdict is not None:
            self._store.give_up(self._claim.token, verdict.state, verdict.code, verdict.sentence)
        tell_log(journal)
        remove_journal(journal)

    @property
    def _journal(self) -> Path:
        if self._adopted is not None:
            return self._adopted.journal
        return journal_path(self._settings.journals_directory, self._claim.token)

    def _supervisor(self) -> Supervisor:
        if self._adopted is not None:
            return Supervisor(self._adopted.journal, self._adopted.supervisor)
        return Supervisor.start(
            self._claim.spec,
            journal=self._journal,
            deadline_seconds=self._deadline_seconds,
            outlives=self._outlives,
        )

    def _supervise(self, supervisor: Supervisor, is_stopping: Callable[[], bool]) -> Verdict | None:
        verdict = None
        while self._outcome is None and verdict is None:
            for event in supervisor.read(LOOK_SECONDS):
                self._take(event)
                self._heard_at = time.monotonic()  # keeping it may have taken as long as the database was away
            if self._outcome is None:
                verdict = self._look(supervisor, is_stopping())
        if self._outcome is not None:
            supervisor.wait(self._settings.kill_after_seconds)
        return verdict

    def _take(self, event: Event) -> None:
        """Keep what an event says; every line is a sign of life. To keep it twice does no harm."""
        self._heard_at = time.monotonic()
        token = self._claim.token
        if event.event == "outcome":
            if event.outcome is None:
                raise SupervisorError("the supervisor wrote an outcome event without an outcome")
            self._outcome = event.outcome
            return
        if event.event == "started":
            self._store.record_segment(token, event.segment)
        elif event.event == "running":
            self._store.mark_running(token)
            self._running = True
        elif event.event == "sample" and event.sample is not None:
            self._store.add_sample(token, event.at_ns, event.sample)
        self._notify(event.event, event=event)

    def _look(self, supervisor: Supervisor, stopping: bool) -> Verdict | None:
        """Renew the lease, pass a cancel on, and judge a supervisor that is gone, silent or late."""
        now = time.monotonic()
        if supervisor.at_end:
            supervisor.kill()
            if self._cancelled_at is not None:  # the signal came before it could say so
                return Verdict("cancelled", "cancelled", f"Ended on request. {supervisor.last_words()}")
            return Verdict("lost", "supervisor_died", supervisor.last_words())
        self._look_at_state(now)
        if self._state is None:
            return Verdict("lost", "superseded", "The run went on without this attempt.")
        if (self._state == "cancelling" or stopping) and self._cancelled_at is None:
            self._cancelled_at = now
            supervisor.cancel()
        grace = self._settings.kill_after_seconds
        if self._cancelled_at is not None and now > self._cancelled_at + grace:
            why = "server_stopped" if self._state != "cancelling" else "cancelled"
            return Verdict("cancelled", why, f"Killed: it did not end within {grace:g} s of the request.")
        if now > self._started_at + self._deadline_seconds + grace:
            sentence = f"Killed: no outcome {self._deadline_seconds:g} s after the start."
            return Verdict("timed_out", "deadline", sentence)
        if self._running and now > self._heard_at + self._settings.lease_seconds:
            sentence = f"Killed: the supervisor was silent for {self._settings.lease_seconds:g} s."
            return Verdict("lost", "lease_expired", sentence)
        return None

    def _look_at_state(self, now: float) -> None:
        """Note the state in the table; once a second the lease is renewed on the way.

        Before the gate opens a supervisor may be busy making its segment: that it lives is enough then.
        """
        token = self._claim.token
        is_heard = not self._running or self._heard_at > self._renewed_at
        if is_heard and now >= self._renewed_at + 1.0:
            self._renewed_at = self._looked_at = now
            self._state = self._store.heartbeat(token, lease_seconds=self._settings.lease_seconds)
        elif now >= self._looked_at + LOOK_SECONDS:
            self._looked_at = now
            self._state = self._store.state_of(token)

    def _notify(self, kind: Kind, *, run: Run | None = None, event: Event | None = None) -> None:
        self._on_notice(Notice(kind=kind, run_id=self._claim.run_id, run=run, event=event))
