"""Studies: arms times repeats, laid out as runs in the order in which they are to be measured."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update

from server.db import Database, utc_now
from server.filters import NEWEST, STUDIES, Order, Position
from server.filters.tree import Node
from server.models import attempts, runs, studies, study_plans
from server.schemas import Arm, Run, Study, StudyCreate
from server.states import TERMINAL
from server.store.errors import NotFoundError
from server.store.lifecycle import LAW_CODE
from server.store.listing import page_of
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


def _last_of(study_id: int) -> ColumnElement[bool]:
    """The last run of every arm and block of a study."""
    last = select(func.max(runs.c.id)).where(runs.c.study_id == study_id).group_by(runs.c.arm, runs.c.block)
    return runs.c.id.in_(last)


def _row(laid: tuple[Arm, int, int, int], study_id: int, now: str) -> dict[str, Any]:
    arm, block, position, seed = laid
    spec = arm.spec.model_copy(update={"seed": seed})
    place = {"study_id": study_id, "arm": arm.name, "block": block, "position": position}
    return {**run_row(spec, now), **place}


OVERHEAD_RUNS = 50  # of which a mean is told
STORED = ("id", "name", "arms", "repeats", "seed", "created_at")


@dataclass(frozen=True)
class Planned:
    """A study that was laid out from a matrix: the plan as a document, and its digest."""

    study_id: int
    plan: dict[str, Any]
    digest: str


def laid_out(study_arms: Sequence[Arm], repeats: int, seed: int) -> Iterator[tuple[Arm, int, int, int]]:
    """Arm, block, position in the block and seed of every run, in the order in which they are to be measured.

    A block is a cell with one seed: what is in it is compared pairwise, and follows on each other.
    """
    cells: dict[str | None, list[Arm]] = {}
    for arm in study_arms:
        cells.setdefault(arm.cell, []).append(arm)
    by_number = list(cells.values())
    for repeat in range(repeats):
        for number in order_of_block(len(by_number), repeat):
            arms, block = by_number[number], repeat * len(by_number) + number
            for position, index in enumerate(order_of_block(len(arms), repeat)):
                yield arms[index], block, position, seed + repeat


class Studies:
    """The part of the store that knows of studies."""

    db: Database
    queued: threading.Event

    def create_study(
        self,
        arms: Sequence[Arm],
        repeats: int,
        *,
        name: str = "",
        seed: int = 1,
        idempotency_key: str | None = None,
        max_queue: int | None = None,
        plan: Mapping[str, Any] | None = None,
        digest: str = "",
    ) -> Study:
        """Queue all runs of a study: every arm with the seeds from `seed` on, one a repeat.

        `plan` is the matrix that the arms stand for, with its digest. Raises QueueFullError, IdempotencyError, and
        pydantic's ValidationError for arms that share a name or bring a seed of their own.
        """
        asked = StudyCreate(name=name, arms=list(arms), repeats=repeats, seed=seed)
        now = utc_now()
        with self.db.write(tell=self.queued) as connection:
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
            if plan is not None:
                row = {"study_id": study_id, "matrix": dict(plan), "digest": digest, "created_at": now}
                connection.execute(insert(study_plans).values(**row))
            connection.execute(
                insert(runs), [_row(each, study_id, now) for each in laid_out(asked.arms, repeats, seed)]
            )
            remember_answer(connection, idempotency_key, "study", asked, study_id)
            return self._one_study(connection, study_id)

    def find_plan(self, name: str) -> Planned | None:
        """The newest study of that name that was laid out from a matrix; None when there is none."""
        query = select(study_plans).join(studies, studies.c.id == study_plans.c.study_id)
        query = query.where(studies.c.name == name).order_by(studies.c.id.desc()).limit(1)
        with self.db.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Planned(row.study_id, row.matrix, row.digest)

    def overhead_seconds(self) -> float | None:
        """Time of a run beside its measured time, mean of the last runs of real processes; None without any."""
        times = (runs.c.claimed_at, runs.c.finished_at, attempts.c.elapsed_ns)
        query = select(*times).join(attempts, attempts.c.token == runs.c.attempt)
        query = query.where(runs.c.state == "succeeded", runs.c.executor == "processes").order_by(runs.c.id.desc())
        with self.db.read() as connection:
            rows = connection.execute(query.limit(OVERHEAD_RUNS)).all()
        spent = [
            (datetime.fromisoformat(row.finished_at) - datetime.fromisoformat(row.claimed_at)).total_seconds()
            - row.elapsed_ns / 1e9
            for row in rows
        ]
        return sum(spent) / len(spent) if spent else None

    def complete_study(self, study_id: int, *, repeats: int, plan: Mapping[str, Any], digest: str) -> int:
        """Queue what is missing of a study: repeats that were added, and runs that left no result; their number.

        A run that broke a law is a result. Raises NotFoundError.
        """
        now = utc_now()
        with self.db.write(tell=self.queued) as connection:
            study = self._one_study(connection, study_id)
            kept = {
                (row.arm, row.block)
                for row in connection.execute(
                    select(runs.c.arm, runs.c.block, runs.c.state, runs.c.reason_code).where(_last_of(study_id))
                )
                if row.state not in TERMINAL or row.state == "succeeded" or row.reason_code == LAW_CODE
            }
            laid = laid_out(study.arms, repeats, study.seed)
            missing = [each for each in laid if (each[0].name, each[1]) not in kept]
            if missing:
                connection.execute(insert(runs), [_row(each, study_id, now) for each in missing])
            connection.execute(update(studies).where(studies.c.id == study_id).values(repeats=repeats))
            written = {"matrix": dict(plan), "digest": digest}
            connection.execute(update(study_plans).where(study_plans.c.study_id == study_id).values(**written))
        return len(missing)

    def get_study(self, study_id: int) -> Study:
        """One study. Raises NotFoundError."""
        with self.db.read() as connection:
            return self._one_study(connection, study_id)

    def list_studies(
        self,
        *,
        where: Node | None = None,
        order: Order = NEWEST,
        limit: int = 50,
        after: Position | None = None,
    ) -> tuple[list[Study], Position | None]:
        """Studies, newest first unless told; and the `after` of the next page, None at the end."""
        with self.db.read() as connection:
            rows, following = page_of(
                connection, select(studies), STUDIES, where=where, order=order, limit=limit, after=after
            )
            return self._to_studies(connection, rows), following

    def study_runs(self, study_id: int, arm: str | None = None) -> list[Run]:
        """Runs of a study, or of one arm of it, in the order of their making. Raises NotFoundError for either.

        Of a block that was run again, the last run of each arm.
        """
        query = select_runs().where(_last_of(study_id)).order_by(runs.c.id)
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
                **{name: row._mapping[name] for name in STORED},
                runs=sum(states[row.id].values()),
                states=states[row.id],
                finished=not states[row.id].keys() - TERMINAL,
            )
            for row in rows
        ]
