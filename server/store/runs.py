"""Runs as rows: created, found, listed, cancelled."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Connection, func, insert, select, update

from server.db import Database, utc_now
from server.filters import NEWEST, RUNS, Order, Position
from server.filters.tree import Node
from server.models import idempotency_keys, runs
from server.schemas import Run, RunFilter
from server.states import LIVE, TERMINAL
from server.store.errors import ConflictError, IdempotencyError, NotFoundError, QueueFullError
from server.store.listing import page_of
from server.store.rows import select_runs, to_runs
from workers.catalogue import label
from workers.spec import RunSpec, config_hash

CANCEL_CODE = "cancelled"
CANCEL_SENTENCE = "Cancelled on request."


def answered_before(connection: Connection, key: str | None, kind: str, body: BaseModel) -> int | None:
    """Id that the same key and body made before; None for a new key. Another body raises IdempotencyError."""
    if key is None:
        return None
    row = connection.execute(select(idempotency_keys).where(idempotency_keys.c.key == key)).one_or_none()
    if row is None:
        return None
    if (row.kind, row.body_hash) != (kind, _body_hash(body)):
        raise IdempotencyError(f"the Idempotency-Key {key!r} came before with another request; choose a new key")
    return int(row.resource_id)


def remember_answer(connection: Connection, key: str | None, kind: str, body: BaseModel, resource_id: int) -> None:
    """Keep what the key made, in the transaction that made it."""
    if key is not None:
        row = {"key": key, "kind": kind, "body_hash": _body_hash(body), "resource_id": resource_id}
        connection.execute(insert(idempotency_keys).values(**row, created_at=utc_now()))


def _body_hash(body: BaseModel) -> str:
    return hashlib.sha256(body.model_dump_json().encode()).hexdigest()


def run_row(spec: RunSpec, now: str) -> dict[str, Any]:
    """A queued run of `spec`, without its place in a study."""
    return {
        "state": "queued",
        "protocol": label(spec.protocol),
        "scenario": spec.scenario,
        "executor": spec.executor,
        "cpus": spec.cpus,
        "seed": spec.seed,
        "config_hash": config_hash(spec),
        "spec": spec.model_dump(mode="json"),
        "created_at": now,
    }


def check_queue(connection: Connection, coming: int, max_queue: int | None) -> None:
    """Raise QueueFullError when `coming` more runs do not fit."""
    if max_queue is None:
        return
    waiting = connection.execute(select(func.count()).select_from(runs).where(runs.c.state == "queued")).scalar_one()
    if waiting + coming > max_queue:
        raise QueueFullError(f"{waiting} runs wait already and {coming} more would pass the limit of {max_queue}")


class Retried(BaseModel):
    """What the key of a retry stands for."""

    run: int


class Runs:
    """The part of the store that a list of runs needs."""

    db: Database
    queued: threading.Event

    def create_run(self, spec: RunSpec, *, idempotency_key: str | None = None, max_queue: int | None = None) -> Run:
        """Queue a run. Raises QueueFullError, IdempotencyError."""
        with self.db.write(tell=self.queued) as connection:
            known = answered_before(connection, idempotency_key, "run", spec)
            if known is not None:
                return self._one_run(connection, known)
            check_queue(connection, 1, max_queue)
            run_id = connection.execute(
                insert(runs).values(**run_row(spec, utc_now())).returning(runs.c.id)
            ).scalar_one()
            remember_answer(connection, idempotency_key, "run", spec, run_id)
            return self._one_run(connection, run_id)

    def get_run(self, run_id: int) -> Run:
        """One run. Raises NotFoundError."""
        with self.db.read() as connection:
            return self._one_run(connection, run_id)

    def list_runs(
        self,
        narrow: RunFilter | None = None,
        *,
        where: Node | None = None,
        order: Order = NEWEST,
        limit: int = 50,
        after: Position | None = None,
    ) -> tuple[list[Run], Position | None]:
        """Runs that pass both filters, newest first unless told; and the `after` of the next page, None at the end."""
        narrow = narrow or RunFilter()
        wanted = {
            runs.c.state: narrow.state,
            runs.c.protocol: narrow.protocol,
            runs.c.scenario: narrow.scenario,
            runs.c.study_id: narrow.study,
        }
        query = select_runs().where(*(column == value for column, value in wanted.items() if value is not None))
        with self.db.read() as connection:
            rows, following = page_of(connection, query, RUNS, where=where, order=order, limit=limit, after=after)
            return to_runs(connection, rows), following

    def count_unfinished(self) -> dict[str, int]:
        """How many runs are queued, and how many are live."""
        number = select(func.count()).select_from(runs)
        with self.db.read() as connection:
            return {
                "queued": connection.execute(number.where(runs.c.state == "queued")).scalar_one(),
                "live": connection.execute(number.where(runs.c.state.in_(LIVE))).scalar_one(),
            }

    def get_runs(self, run_ids: Sequence[int]) -> list[Run]:
        """Runs in the order asked. Raises NotFoundError for the first that is missing."""
        with self.db.read() as connection:
            rows = to_runs(connection, connection.execute(select_runs().where(runs.c.id.in_(run_ids))))
        by_id = {run.id: run for run in rows}
        for run_id in run_ids:
            if run_id not in by_id:
                raise NotFoundError("run", run_id)
        return [by_id[run_id] for run_id in run_ids]

    def retry_run(
        self,
        run_id: int,
        *,
        check: Callable[[Run], None] = lambda _run: None,
        idempotency_key: str | None = None,
        max_queue: int | None = None,
    ) -> Run:
        """Queue a new run of the spec and seed of one that is over; it names that one, and is no part of its study.

        `check` may refuse the run by raising. Raises NotFoundError, ConflictError, QueueFullError, IdempotencyError.
        """
        with self.db.write(tell=self.queued) as connection:
            run = self._one_run(connection, run_id)
            asked = Retried(run=run_id)
            known = answered_before(connection, idempotency_key, "run", asked)
            if known is not None:
                return self._one_run(connection, known)
            check(run)
            if run.state not in TERMINAL:
                raise ConflictError(f"run {run_id} is not over: it is {run.state}; cancel it first, or wait")
            check_queue(connection, 1, max_queue)
            row = {**run_row(run.spec, utc_now()), "retry_of": run_id}
            new = connection.execute(insert(runs).values(**row).returning(runs.c.id)).scalar_one()
            remember_answer(connection, idempotency_key, "run", asked, new)
            return self._one_run(connection, new)

    def cancel_run(self, run_id: int, *, check: Callable[[Run], None] = lambda _run: None) -> Run:
        """Cancel a queued run at once, ask for the end of a live one. `check` may refuse by raising.

        Raises NotFoundError, ConflictError.
        """
        now = utc_now()
        mine = update(runs).where(runs.c.id == run_id)
        reason = {"reason_code": CANCEL_CODE, "reason": CANCEL_SENTENCE}
        with self.db.write() as connection:
            check(self._one_run(connection, run_id))
            connection.execute(
                mine.where(runs.c.state == "queued").values(state="cancelled", finished_at=now, **reason)
            )
            connection.execute(
                mine.where(runs.c.state.in_(["starting", "running"])).values(state="cancelling", **reason)
            )
            run = self._one_run(connection, run_id)
        if run.state in TERMINAL - {"cancelled"}:
            raise ConflictError(f"run {run_id} is over already: it {run.state.replace('_', ' ')}")
        return run

    def cancel_study(self, study_id: int) -> int:
        """Cancel every run of a study that is not over; the number of runs that this touched."""
        now = utc_now()
        mine = update(runs).where(runs.c.study_id == study_id)
        reason = {"reason_code": CANCEL_CODE, "reason": CANCEL_SENTENCE}
        with self.db.write() as connection:
            queued = mine.where(runs.c.state == "queued").values(state="cancelled", finished_at=now, **reason)
            live = mine.where(runs.c.state.in_(["starting", "running"])).values(state="cancelling", **reason)
            return connection.execute(queued).rowcount + connection.execute(live).rowcount

    @staticmethod
    def _one_run(connection: Connection, run_id: int) -> Run:
        rows = connection.execute(select_runs().where(runs.c.id == run_id)).all()
        if not rows:
            raise NotFoundError("run", run_id)
        return to_runs(connection, rows)[0]
