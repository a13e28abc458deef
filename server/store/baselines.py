"""Named sets of runs, which other runs are compared against."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from server.db import Database, utc_now
from server.models import baseline_runs, baselines, runs
from server.schemas import Baseline, BaselineCreate
from server.states import TERMINAL
from server.store.errors import ConflictError, NotFoundError
from server.store.runs import answered_before, remember_answer


class Baselines:
    """The part of the store that keeps baselines."""

    db: Database

    def create_baseline(self, asked: BaselineCreate, *, idempotency_key: str | None = None) -> Baseline:
        """Keep runs that are over under a name. Raises NotFoundError, ConflictError, IdempotencyError."""
        with self.db.write() as connection:
            known = answered_before(connection, idempotency_key, "baseline", asked)
            if known is not None:
                return self._one_baseline(connection, baselines.c.id == known, asked.name)
            if connection.execute(select(baselines.c.id).where(baselines.c.name == asked.name)).first():
                raise ConflictError(
                    f"there is a baseline {asked.name!r} already; delete it first, or choose another name"
                )
            chosen = self._chosen(connection, asked)
            row = {"name": asked.name, "note": asked.note, "created_at": utc_now()}
            new = connection.execute(insert(baselines).values(**row).returning(baselines.c.id)).scalar_one()
            connection.execute(insert(baseline_runs), [{"baseline_id": new, "run_id": run_id} for run_id in chosen])
            remember_answer(connection, idempotency_key, "baseline", asked, new)
            return self._one_baseline(connection, baselines.c.id == new, asked.name)

    @staticmethod
    def _chosen(connection: Connection, asked: BaselineCreate) -> list[int]:
        query = select(runs.c.id, runs.c.state).order_by(runs.c.id)
        if asked.runs is not None:
            query = query.where(runs.c.id.in_(asked.runs))
        else:
            query = query.where(runs.c.study_id == asked.study, runs.c.arm == asked.arm)
        found = {row.id: row.state for row in connection.execute(query)}
        for run_id in asked.runs or []:
            if run_id not in found:
                raise NotFoundError("run", run_id)
        if not found:
            raise NotFoundError("arm", f"{asked.arm!r} in study {asked.study}")
        unfinished = [f"{run_id} ({state})" for run_id, state in found.items() if state not in TERMINAL]
        if unfinished:
            raise ConflictError(f"these runs are not over yet: {', '.join(unfinished)}")
        return list(found)

    def get_baseline(self, name: str) -> Baseline:
        """One baseline. Raises NotFoundError."""
        with self.db.read() as connection:
            return self._one_baseline(connection, baselines.c.name == name, name)

    def list_baselines(self, *, limit: int = 50, before: int | None = None) -> tuple[list[Baseline], int | None]:
        """Newest baselines first; and the `before` of the next page, None at the end."""
        query = select(baselines).order_by(baselines.c.id.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(baselines.c.id < before)
        with self.db.read() as connection:
            rows = connection.execute(query).all()
            found = self._to_baselines(connection, rows[:limit])
        return found, rows[limit - 1].id if len(rows) > limit else None

    def delete_baseline(self, name: str, *, check: Callable[[Baseline], None] = lambda _baseline: None) -> None:
        """Forget a baseline; its runs stay. `check` may refuse by raising. Raises NotFoundError."""
        with self.db.write() as connection:
            found = self._one_baseline(connection, baselines.c.name == name, name)
            check(found)
            connection.execute(delete(baseline_runs).where(baseline_runs.c.baseline_id == found.id))
            connection.execute(delete(baselines).where(baselines.c.id == found.id))

    def _one_baseline(self, connection: Connection, condition: Any, name: str) -> Baseline:
        rows = connection.execute(select(baselines).where(condition)).all()
        if not rows:
            raise NotFoundError("baseline", repr(name))
        return self._to_baselines(connection, rows)[0]

    @staticmethod
    def _to_baselines(connection: Connection, rows: Sequence[Row[Any]]) -> list[Baseline]:
        held: dict[int, list[int]] = {row.id: [] for row in rows}
        query = select(baseline_runs).where(baseline_runs.c.baseline_id.in_(held)).order_by(baseline_runs.c.run_id)
        for row in connection.execute(query):
            held[row.baseline_id].append(row.run_id)
        kinds = select(baseline_runs.c.baseline_id, runs.c.protocol, func.count())
        kinds = kinds.join(runs, runs.c.id == baseline_runs.c.run_id).where(baseline_runs.c.baseline_id.in_(held))
        kinds = kinds.group_by(baseline_runs.c.baseline_id, runs.c.protocol).order_by(runs.c.protocol)
        protocols: dict[int, list[str]] = {row.id: [] for row in rows}
        for baseline_id, protocol, _number in connection.execute(kinds):
            protocols[baseline_id].append(protocol)
        return [Baseline(**row._mapping, runs=held[row.id], protocols=protocols[row.id]) for row in rows]
