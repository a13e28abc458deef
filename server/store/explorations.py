"""Explorations: queued or begun, how far they are, how they end, and what they found."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select, update

from server.db import Database, utc_now
from server.exploring.schemas import Exploration, Finding, FindingSummary
from server.exploring.states import LIVE, TERMINAL, ExplorationState
from server.filters import EXPLORATIONS, NEWEST, Order, Position
from server.filters.tree import Node
from server.models import explorations, finding_timelines, findings
from server.places import this_host
from server.processes import ProcessId, is_alive
from server.store.errors import ConflictError, NotFoundError, QueueFullError
from server.store.listing import page_of
from server.store.runs import answered_before, remember_answer
from workers.catalogue import label
from workers.exploration import ExplorationFinding, ExplorationOutcome, ExplorationSpec
from workers.timeline import Timeline

KIND = "exploration"
GONE = "Whoever played it (process {pid} of {host}) is gone."
OWNER = ("owner_host", "owner_pid", "owner_start_time", "lease_until")
_OF_OUTCOME = (
    *("schedules", "steps", "seconds", "schedules_per_second", "starvation", "laws_checked", "known", "environment"),
)


class Explorations:
    """The part of the store that keeps explorations. What lives belongs to one process, and its lease says so."""

    db: Database
    explorations_queued: threading.Event

    def create_exploration(
        self, spec: ExplorationSpec, *, idempotency_key: str | None = None, max_queue: int | None = None
    ) -> Exploration:
        """Queue an exploration. Raises QueueFullError, IdempotencyError."""
        with self.db.write(tell=self.explorations_queued) as connection:
            known = answered_before(connection, idempotency_key, KIND, spec)
            if known is None:
                _check_queue(connection, max_queue)
                known = _insert(connection, _row(spec))
                remember_answer(connection, idempotency_key, KIND, spec, known)
            return _one(connection, known)

    def begin_exploration(self, spec: ExplorationSpec, owner: ProcessId, *, lease_seconds: float) -> Exploration:
        """Keep an exploration that its owner plays from now on."""
        with self.db.write() as connection:
            row = {**_row(spec), **_owned(owner, lease_seconds)}
            return _one(connection, _insert(connection, row))

    def claim_exploration(self, owner: ProcessId, *, lease_seconds: float) -> Exploration | None:
        """The oldest queued exploration, which belongs to `owner` from now on; None where none waits."""
        oldest = select(func.min(explorations.c.id)).where(explorations.c.state == "queued").scalar_subquery()
        with self.db.write() as connection:
            taken = update(explorations).where(explorations.c.id == oldest).values(**_owned(owner, lease_seconds))
            number = connection.execute(taken.returning(explorations.c.id)).scalar_one_or_none()
            return None if number is None else _one(connection, number)

    def renew_exploration(
        self, exploration_id: int, *, schedules: int, seconds: float, lease_seconds: float
    ) -> ExplorationState | None:
        """Note how far it is and that its owner lives; its state, None once it lives no more."""
        mine = update(explorations).where(explorations.c.id == exploration_id, explorations.c.state.in_(LIVE))
        far = {"schedules": schedules, "seconds": seconds, "lease_until": utc_now(plus_seconds=lease_seconds)}
        with self.db.write() as connection:
            done = connection.execute(mine.values(**far).returning(explorations.c.state))
            state: ExplorationState | None = done.scalar_one_or_none()
            return state

    def finish_exploration(self, exploration_id: int, outcome: ExplorationOutcome) -> bool:
        """Keep an outcome with its findings; False where it has ended otherwise before.

        One that was taken for lost while its owner lived on, as with a database that was away, ends after all.
        """
        mine = update(explorations).where(
            explorations.c.id == exploration_id, explorations.c.state.in_([*LIVE, "lost"])
        )
        figures = outcome.model_dump(mode="json", include=set(_OF_OUTCOME))
        end = {
            "state": outcome.status,
            "reason": outcome.reason or None,
            "finished_at": utc_now(),
            "exhausted": int(outcome.exhausted),
            "coverage": [each.model_dump(mode="json") for each in outcome.strategies],
        }
        with self.db.write() as connection:
            if connection.execute(mine.values(**figures, **end)).rowcount == 0:
                return False
            _keep_findings(connection, exploration_id, outcome.findings)
        return True

    def end_exploration(self, exploration_id: int, state: ExplorationState, reason: str) -> bool:
        """End one that left no outcome; False where it has ended before."""
        mine = update(explorations).where(explorations.c.id == exploration_id, explorations.c.state.in_(LIVE))
        with self.db.write() as connection:
            values = {"state": state, "reason": reason, "finished_at": utc_now()}
            return connection.execute(mine.values(**values)).rowcount == 1

    def bury_explorations(self) -> list[int]:
        """Mark as lost what lives by its row, while its owner is gone or has been silent for its lease; their ids."""
        live = select(explorations.c.id, *(explorations.c[name] for name in OWNER)).where(
            explorations.c.state.in_(LIVE)
        )
        with self.db.read() as connection:
            gone = [row for row in connection.execute(live) if _is_gone(row)]
        return [
            row.id
            for row in gone
            if self.end_exploration(row.id, "lost", GONE.format(pid=row.owner_pid, host=row.owner_host))
        ]

    def cancel_exploration(
        self, exploration_id: int, *, check: Callable[[Exploration], None] = lambda _exploration: None
    ) -> Exploration:
        """Cancel a queued one at once, ask for the end of a live one. `check` may refuse by raising.

        Raises NotFoundError, ConflictError.
        """
        mine = update(explorations).where(explorations.c.id == exploration_id)
        reason = "Cancelled on request."
        with self.db.write() as connection:
            check(_one(connection, exploration_id))
            queued = mine.where(explorations.c.state == "queued")
            connection.execute(queued.values(state="cancelled", reason=reason, finished_at=utc_now()))
            connection.execute(mine.where(explorations.c.state == "running").values(state="cancelling", reason=reason))
            exploration = _one(connection, exploration_id)
        if exploration.state in TERMINAL - {"cancelled"}:
            raise ConflictError(f"exploration {exploration_id} is over already: it is {exploration.state}")
        return exploration

    def get_exploration(self, exploration_id: int) -> Exploration:
        """One exploration with what it found. Raises NotFoundError."""
        with self.db.read() as connection:
            return _one(connection, exploration_id)

    def state_of_exploration(self, exploration_id: int) -> ExplorationState:
        """The state alone. Raises NotFoundError."""
        with self.db.read() as connection:
            query = select(explorations.c.state).where(explorations.c.id == exploration_id)
            state: ExplorationState | None = connection.execute(query).scalar_one_or_none()
        if state is None:
            raise NotFoundError("exploration", exploration_id)
        return state

    def list_explorations(
        self,
        *,
        where: Node | None = None,
        order: Order = NEWEST,
        limit: int = 50,
        after: Position | None = None,
    ) -> tuple[list[Exploration], Position | None]:
        """Explorations, newest first unless told; and the `after` of the next page, None at the end."""
        with self.db.read() as connection:
            rows, following = page_of(
                connection, select(explorations), EXPLORATIONS, where=where, order=order, limit=limit, after=after
            )
            found = _summaries(connection, [row.id for row in rows])
            return [_told(row, found.get(row.id, [])) for row in rows], following

    def finding_of(self, exploration_id: int, number: int) -> Finding:
        """One finding with its diagram. Raises NotFoundError for it, and for the exploration."""
        timeline = select(finding_timelines.c.number).where(
            finding_timelines.c.exploration_id == exploration_id, finding_timelines.c.number == number
        )
        with self.db.read() as connection:
            query = _select_findings(diagram=True).where(
                findings.c.exploration_id == exploration_id, findings.c.number == number
            )
            row = connection.execute(query).one_or_none()
            exploration = _one(connection, exploration_id)
            has_timeline = connection.execute(timeline).first() is not None
        if row is None:
            raise NotFoundError("finding", f"{number} of exploration {exploration_id}")
        told = {name: row._mapping[name] for name in (*FindingSummary.model_fields, "diagram")}
        of = {"exploration": exploration.id, "protocol": exploration.protocol, "scenario": exploration.scenario}
        return Finding(**told, **of, has_timeline=has_timeline)

    def finding_timeline(self, exploration_id: int, number: int) -> Timeline:
        """Every step of a finding. Raises NotFoundError for it, and for one that left none."""
        query = select(finding_timelines.c.document).where(
            finding_timelines.c.exploration_id == exploration_id, finding_timelines.c.number == number
        )
        with self.db.read() as connection:
            document: Any = connection.execute(query).scalar_one_or_none()
        if document is None:
            self.finding_of(exploration_id, number)
            raise NotFoundError("timeline", f"of finding {number} of exploration {exploration_id}")
        return Timeline.model_validate(document)


def _row(spec: ExplorationSpec) -> dict[str, Any]:
    return {
        "state": "queued",
        "protocol": label(spec.protocol),
        "scenario": spec.scenario,
        "strategy": spec.strategy,
        "seed": spec.seed,
        "spec": spec.model_dump(mode="json"),
        "created_at": utc_now(),
    }


def _owned(owner: ProcessId, lease_seconds: float) -> dict[str, Any]:
    return {
        "state": "running",
        "started_at": utc_now(),
        "owner_host": this_host(),
        "owner_pid": owner.pid,
        "owner_start_time": owner.start_time,
        "lease_until": utc_now(plus_seconds=lease_seconds),
    }


def _insert(connection: Connection, row: dict[str, Any]) -> int:
    number: int = connection.execute(insert(explorations).values(**row).returning(explorations.c.id)).scalar_one()
    return number


def _check_queue(connection: Connection, max_queue: int | None) -> None:
    query = select(func.count()).select_from(explorations).where(explorations.c.state == "queued")
    waiting = connection.execute(query).scalar_one()
    if max_queue is not None and waiting >= max_queue:
        raise QueueFullError(f"{waiting} explorations wait already, which is the limit")


def _is_gone(row: Row[Any]) -> bool:
    if row.owner_host == this_host() and not is_alive(ProcessId(row.owner_pid, row.owner_start_time)):
        return True
    return bool(row.lease_until < utc_now())


def _keep_findings(connection: Connection, exploration_id: int, found: list[ExplorationFinding]) -> None:
    for number, finding in enumerate(found, 1):
        key = {"exploration_id": exploration_id, "number": number}
        row = finding.model_dump(mode="json", exclude={"timeline"})
        connection.execute(insert(findings).values(**key, **row))
        timeline = finding.timeline
        if timeline is not None:
            body = timeline.model_dump(mode="json", exclude_none=True)
            values = {**key, "steps": len(timeline.steps), "document": body}
            connection.execute(insert(finding_timelines).values(**values))


def _select_findings(*, diagram: bool = False) -> Select[Any]:
    names = (*FindingSummary.model_fields, *(("diagram",) if diagram else ()))
    return select(findings.c.exploration_id, *(findings.c[name] for name in names))


def _summaries(connection: Connection, ids: Iterable[int]) -> dict[int, list[FindingSummary]]:
    """What explorations found, in order."""
    query = _select_findings().where(findings.c.exploration_id.in_(ids)).order_by(findings.c.number)
    found: dict[int, list[FindingSummary]] = {}
    for row in connection.execute(query):
        told = {name: row._mapping[name] for name in FindingSummary.model_fields}
        found.setdefault(row.exploration_id, []).append(FindingSummary(**told))
    return found


def _one(connection: Connection, exploration_id: int) -> Exploration:
    row = connection.execute(select(explorations).where(explorations.c.id == exploration_id)).one_or_none()
    if row is None:
        raise NotFoundError("exploration", exploration_id)
    return _told(row, _summaries(connection, [exploration_id]).get(exploration_id, []))


def _told(row: Row[Any], found: list[FindingSummary]) -> Exploration:
    other = {"host", "strategies", "findings", "exhausted", "starvation", "laws_checked", "known", "environment"}
    plain = {name: row._mapping[name] for name in Exploration.model_fields if name not in other}
    return Exploration(
        **plain,
        host=row.owner_host,
        findings=found,
        strategies=row.coverage or [],
        exhausted=None if row.exhausted is None else bool(row.exhausted),
        starvation=row.starvation or {},
        laws_checked=row.laws_checked or [],
        known=row.known or [],
        environment=row.environment or {},
    )
