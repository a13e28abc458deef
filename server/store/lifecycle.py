"""A run's way through its states. Every step is one UPDATE that names the states it may come from and the attempt.

Whoever holds the token of the attempt is the one writer of the run; a token that is no longer the run's changes
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite speaks its ON CONFLICT too

from server.db import Database, utc_now
from server.models import attempts, histograms, placements, runs, samples, violations, waits
from server.processes import ProcessId
from server.states import LIVE, RunState, sources
from server.store.claims import Claim
from server.store.hosts import note_host
from server.store.rows import histogram_row
from server.store.runs import CANCEL_CODE, CANCEL_SENTENCE
from server.store.timelines import keep_timeline
from workers.outcome import Outcome
from workers.spec import RunSpec

LAW_CODE = "law_violated"
LISTED_FIGURES = ("throughput_ops_s", "p50_ns", "p99_ns", "p999_ns")  # that lists filter and sort by


@dataclass(frozen=True)
class LiveAttempt:
    """An attempt that the table holds for alive, with whoever ought to know.

    Pids are those of `host` once it is `begun`; before that the owner is whoever claimed it, wherever that is, and the
    host None until an engine that chooses it has chosen one.
    """

    run_id: int
    token: str
    state: RunState
    placer: str | None
    host: str | None
    begun: bool
    owner: ProcessId
    supervisor: ProcessId | None
    journal: str | None
    claimed_at: str
    lease_until: str
    lease_is_over: bool


class Lifecycle:
    """The part of the store that a dispatcher writes through."""

    db: Database

    def adopt(self, token: str, owner: ProcessId, *, seen: ProcessId, lease_seconds: float) -> Claim | None:
        """Take an attempt over from the watcher that was `seen` to be gone; None where another has, or it is over."""
        mine = select(runs.c.id, runs.c.spec, runs.c.state).where(runs.c.attempt == token, runs.c.state.in_(LIVE))
        take = update(attempts).where(
            attempts.c.token == token,
            attempts.c.owner_pid == seen.pid,
            attempts.c.owner_start_time == seen.start_time,
        )
        with self.db.write() as connection:
            row = connection.execute(mine).one_or_none()
            values = {"owner_pid": owner.pid, "owner_start_time": owner.start_time}
            if row is None or connection.execute(take.values(**values)).rowcount != 1:
                return None
            lease = utc_now(plus_seconds=lease_seconds)
            connection.execute(update(runs).where(runs.c.attempt == token).values(lease_until=lease))
        return Claim(run_id=row.id, token=token, spec=RunSpec.model_validate(row.spec))

    def requeue(self, token: str) -> bool:
        """Queue a run again whose attempt never began; one that is to be cancelled is. False where it has moved on."""
        blank: dict[str, Any] = {"attempt": None, "lease_until": None, "claimed_at": None}
        with self.db.write() as connection:
            if not self._move(connection, token, "queued", **blank):
                return self._end(connection, token, "cancelled", CANCEL_CODE, CANCEL_SENTENCE)
            gone = update(attempts).where(attempts.c.token == token)
            connection.execute(gone.values(status="lost", finished_at=utc_now()))
            return True

    def record_journal(self, token: str, journal: str) -> None:
        """Keep where the attempt's journal lies, before it is made: without one nothing was ever started."""
        self._update_attempt(token, journal=journal)

    def record_supervisor(self, token: str, supervisor: ProcessId) -> None:
        """Keep who supervises the attempt."""
        self._update_attempt(token, supervisor_pid=supervisor.pid, supervisor_start_time=supervisor.start_time)

    def record_segment(self, token: str, segment: str | None) -> None:
        """Keep the name of the attempt's segment, known before it is made."""
        self._update_attempt(token, segment=segment)

    def _update_attempt(self, token: str, **values: Any) -> None:
        with self.db.write() as connection:
            connection.execute(update(attempts).where(attempts.c.token == token).values(**values))

    def mark_running(self, token: str) -> bool:
        """starting -> running; False where the run is no longer starting under this token."""
        now = utc_now()
        with self.db.write() as connection:
            moved = self._move(connection, token, "running", running_at=now)
            if moved:
                connection.execute(update(attempts).where(attempts.c.token == token).values(running_at=now))
        return moved

    def heartbeat(self, token: str, *, lease_seconds: float) -> RunState | None:
        """Renew the lease; the state that the run is in, or None when it is no longer this attempt's."""
        now = utc_now()
        renew = (
            update(runs)
            .where(runs.c.attempt == token, runs.c.state.in_(LIVE))
            .values(lease_until=utc_now(plus_seconds=lease_seconds))
            .returning(runs.c.state)
        )
        with self.db.write() as connection:
            state: RunState | None = connection.execute(renew).scalar_one_or_none()
            if state is not None:
                connection.execute(update(attempts).where(attempts.c.token == token).values(heartbeat_at=now))
        return state

    def state_of(self, token: str) -> RunState | None:
        """State of the live run of this attempt, read only; None when it is no longer this attempt's."""
        query = select(runs.c.state).where(runs.c.attempt == token, runs.c.state.in_(LIVE))
        with self.db.read() as connection:
            state: RunState | None = connection.execute(query).scalar_one_or_none()
        return state

    def add_sample(self, token: str, at_ns: int, figures: dict[str, float | int | None]) -> None:
        """Keep the figures of one moment; of two at the same moment the first stays."""
        row = upsert(samples).values(attempt=token, at_ns=at_ns, figures=figures).on_conflict_do_nothing()
        with self.db.write() as connection:
            connection.execute(row)

    def finish(self, token: str, outcome: Outcome) -> bool:
        """Take an outcome in, in one transaction with the run's last state. False: it came too late for the run.

        A late outcome is kept as evidence of its attempt and changes nothing else. A violated law fails the run
        whatever else it says, and a run that was asked to end is cancelled whatever it ended as.
        """
        target, code, reason = outcome.status, outcome.reason_code, outcome.reason
        if outcome.violations and target == "succeeded":
            laws = sorted({violation.law for violation in outcome.violations})
            target, code, reason = "failed", LAW_CODE, f"Violated: {', '.join(laws)}."
        with self.db.write() as connection:
            if self._end(connection, token, target, code, reason):
                self._keep_result(connection, token, outcome)
                return True
            late = {"late_outcome": outcome.model_dump(mode="json")}
            connection.execute(update(attempts).where(attempts.c.token == token).values(evidence=late))
            return False

    def give_up(self, token: str, target: RunState, code: str, reason: str, *, lease_until: str | None = None) -> bool:
        """End an attempt that left no outcome; its samples stay. False where the run has moved on.

        With `lease_until`, only while the lease is the one that was seen: a heartbeat since then wins.
        """
        with self.db.write() as connection:
            return self._end(connection, token, target, code, reason, lease_until)

    def _end(
        self,
        connection: Connection,
        token: str,
        target: RunState,
        code: str,
        reason: str,
        lease_until: str | None = None,
    ) -> bool:
        now = utc_now()
        condition = [] if lease_until is None else [runs.c.lease_until == lease_until]
        words = {"reason_code": code, "reason": reason, "finished_at": now, "lease_until": None}
        cancelled = {**words, "reason_code": CANCEL_CODE, "reason": CANCEL_SENTENCE}
        ended: RunState = "cancelled"
        if not self._move(connection, token, "cancelled", *condition, live_only=True, **cancelled):
            ended = target
            if target == "cancelled":  # nobody asked the table: the supervisor was told by a signal or an end of file
                self._move(connection, token, "cancelling", *condition)
            if target == "succeeded":  # an outcome says that the gate was open, whatever became of that line
                self._move(connection, token, "running", *condition, running_at=now)
            if not self._move(connection, token, target, *condition, live_only=True, **words):
                return False
        connection.execute(update(attempts).where(attempts.c.token == token).values(finished_at=now, status=ended))
        return True

    @staticmethod
    def _move(
        connection: Connection,
        token: str,
        target: RunState,
        *condition: ColumnElement[bool],
        live_only: bool = False,
        **values: Any,
    ) -> bool:
        origin = [state for state in sources(target) if not live_only or state in LIVE]
        step = update(runs).where(runs.c.attempt == token, runs.c.state.in_(origin), *condition)
        return connection.execute(step.values(state=target, **values)).rowcount == 1

    @staticmethod
    def _keep_result(connection: Connection, token: str, outcome: Outcome) -> None:
        figures = outcome.model_dump(
            mode="json", include={"elapsed_ns", "metrics", "events", "laws_checked", "known", "environment"}
        )
        evidence = outcome.evidence or None
        host = outcome.environment.get("host")
        listed: dict[str, Any] = {name: outcome.metrics.get(name) for name in LISTED_FIGURES}
        listed["host"] = host if isinstance(host, str) else None
        connection.execute(update(runs).where(runs.c.attempt == token).values(**listed))
        connection.execute(update(attempts).where(attempts.c.token == token).values(**figures, evidence=evidence))
        note_host(connection, outcome.environment, utc_now())
        rows: dict[Any, list[dict[str, Any]]] = {
            waits: [{"attempt": token, "cause": cause, **wait.model_dump()} for cause, wait in outcome.waits.items()],
            histograms: [histogram_row(token, name, histogram) for name, histogram in outcome.histograms.items()],
            violations: [{"attempt": token, **violation.model_dump()} for violation in outcome.violations],
        }
        for table, values in rows.items():
            if values:
                connection.execute(insert(table), values)
        keep_timeline(connection, token, outcome)

    def live_attempts(self) -> list[LiveAttempt]:
        """What the table holds for alive."""
        now = utc_now()
        columns = (runs.c.id, runs.c.state, runs.c.lease_until)
        where = (placements.c.host, placements.c.placer, placements.c.begun_at)
        query = select(*columns, attempts, *where).join(attempts, attempts.c.token == runs.c.attempt)
        query = query.outerjoin(placements, placements.c.attempt == runs.c.attempt)
        with self.db.read() as connection:
            rows = connection.execute(query.where(runs.c.state.in_(LIVE))).all()
        return [
            LiveAttempt(
                run_id=row.id,
                token=row.token,
                state=row.state,
                placer=row.placer,
                host=row.host,
                begun=row.begun_at is not None or row.placer == "local",  # its dispatcher attends to it itself
                owner=ProcessId(row.owner_pid, row.owner_start_time),
                supervisor=None
                if row.supervisor_pid is None
                else ProcessId(row.supervisor_pid, row.supervisor_start_time),
                journal=row.journal,
                claimed_at=row.claimed_at,
                lease_until=row.lease_until,
                lease_is_over=row.lease_until <= now,
            )
            for row in rows
        ]
