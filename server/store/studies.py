"""Studies: arms times repeats, laid out as runs in the order in which they are to be measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from server.db import Database, utc_now
from server.models import runs, studies
from server.schemas import Arm, Run, Study, StudyCreate
from server.states import TERMINAL
from server.store.errors import NotFoundError
from server.store.rows import select_runs, to_runs
from server.store.runs import answered_before, check_queue, remember_answer, run_row


def order_of_block(arms: int, block: int) -> list[int]:
    """Indices of the arms in the order in which a block runs them.

    Every second block runs backwards, and every pair of blocks starts with another arm, so that a drift of the machine
    over time falls on every arm alike: AB BA AB BA for two arms, ABC CBA BCA ACB CAB BAC for three.
    """
    start = (block // 2) % arms
    order = [(start + i) % arms for i in range(arms)]
    return order if block % 2 == 0 else order[::-1]


class Studies:
    """The part of the store that knows of studies."""

    db: Database

    def create_study(
        self,
        arms: Sequence[Arm],
        repeats: int,
        *,
        name: str = "",
        seed: int = 1,
        idempotency_key: str | None = None,
        max_queue: int | None = None,
    ) -> Study:
        """Queue all runs of a study; block i has the seed `seed + i` in every arm.

        Raises QueueFullError, IdempotencyError, and pydantic's ValidationError for arms that share a name or bring a
        seed of their own.
        """
        asked = StudyCreate(name=name, arms=list(arms), repeats=repeats, seed=seed)
        now = utc_now()
        with self.db.write() as connection:
            known = answered_before(connection, idempotency_key, "study", asked)
            if known is not None:
                return self._one_study(connection, known)
            check_queue(connection, len(asked.arms) * repeats, max_queue)
            row = {
                "name": name,
                "arms": [arm.model_dump(mode="json") for arm in asked.arms],
                "repeats": repeats,
                "seed": seed,
                "created_at": now,
            }
            study_id = connection.execute(insert(studies).values(**row).returning(studies.c.id)).scalar_one()
            connection.execute(insert(runs), self._rows_of(asked, study_id, now))
            remember_answer(connection, idempotency_key, "study", asked, study_id)
            return self._one_study(connection, study_id)

    @staticmethod
    def _rows_of(asked: StudyCreate, study_id: int, now: str) -> list[dict[str, Any]]:
        rows = []
        for block in range(asked.repeats):
            for position, index in enumerate(order_of_block(len(asked.arms), block)):
                arm = asked.arms[index]
                spec = arm.spec.model_copy(update={"seed": asked.seed + block})
                place = {"study_id": study_id, "arm": arm.name, "block": block, "position": position}
                rows.append({**run_row(spec, now), **place})
        return rows

    def get_study(self, study_id: int) -> Study:
        """One study. Raises NotFoundError."""
        with self.db.read() as connection:
            return self._one_study(connection, study_id)

    def list_studies(self, *, limit: int = 50, before: int | None = None) -> tuple[list[Study], int | None]:
        """Newest studies first; and the `before` of the next page, None at the end."""
        query = select(studies).order_by(studies.c.id.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(studies.c.id < before)
        with self.db.read() as connection:
            found = self._to_studies(connection, connection.execute(query).all())
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    def study_runs(self, study_id: int, arm: str | None = None) -> list[Run]:
        """Runs of a study, or of one arm of it, in the order of their making. Raises NotFoundError for either."""
        query = select_runs().where(runs.c.study_id == study_id).order_by(runs.c.id)
        with self.db.read() as connection:
            study = self._one_study(connection, study_id)
            if arm is not None:
                names = [each.name for each in study.arms]
                if arm not in names:
                    raise NotFoundError("arm", f"{arm!r} in study {study_id}; its arms are {', '.join(names)}")
                query = query.where(runs.c.arm == arm)
            return to_runs(connection, connection.execute(query))

    def _one_study(self, connection: Connection, study_id: int) -> Study:
        rows = connection.execute(select(studies).where(studies.c.id == study_id)).all()
        if not rows:
            raise NotFoundError("study", study_id)
        return self._to_studies(connection, rows)[0]

    @staticmethod
    def _to_studies(connection: Connection, rows: Sequence[Row[Any]]) -> list[Study]:
        counted = select(runs.c.study_id, runs.c.state, func.count().label("number"))
        counted = counted.where(runs.c.study_id.in_([row.id for row in rows])).group_by(runs.c.study_id, runs.c.state)
        states: dict[int, dict[str, int]] = {row.id: {} for row in rows}
        for row in connection.execute(counted):
            states[row.study_id][row.state] = row.number
        return [
            Study(
                **row._mapping,
                runs=sum(states[row.id].values()),
                states=states[row.id],
                finished=not states[row.id].keys() - TERMINAL,
            )
            for row in rows
        ]
