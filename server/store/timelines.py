"""Timelines: kept with the outcome of an attempt, read by page and API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from server.models import attempts, runs, timelines, violations
from server.store.errors import NotFoundError
from server.store.results import Results
from workers.outcome import Outcome
from workers.timeline import Timeline


@dataclass(frozen=True)
class TimelineEntry:
    """A run that left a timeline, for lists."""

    run_id: int
    protocol: str
    scenario: str
    state: str
    source: str
    steps: int
    finished_at: str | None


@dataclass(frozen=True)
class Replayable:
    """A broken law that carries a schedule: its place among the violations of its run counts from 1."""

    run_id: int
    protocol: str
    law: str
    sentence: str
    violation: int


def keep_timeline(connection: Connection, token: str, outcome: Outcome) -> None:
    """Store what an outcome brings; most bring none."""
    timeline = outcome.timeline
    if timeline is not None:
        row = {"attempt": token, "source": timeline.source, "steps": len(timeline.steps)}
        body = timeline.model_dump(mode="json", exclude_none=True)
        connection.execute(insert(timelines).values(**row, document=body))


class Timelines(Results):
    """The part of the store that knows of timelines."""

    def timeline_of(self, run_id: int) -> Timeline:
        """The timeline of the last attempt. Raises NotFoundError for the run, and for one that left none."""
        with self.db.read() as connection:
            token = self._attempt_of(connection, run_id)
            query = select(timelines.c.document).where(timelines.c.attempt == token)
            document: Any = connection.execute(query).scalar_one_or_none()
        if document is None:
            raise NotFoundError("timeline", f"of run {run_id}")
        return Timeline.model_validate(document)

    def has_timeline(self, run_id: int) -> bool:
        """Whether the last attempt of a run left a timeline. Raises NotFoundError for the run."""
        with self.db.read() as connection:
            token = self._attempt_of(connection, run_id)
            query = select(timelines.c.attempt).where(timelines.c.attempt == token)
            return connection.execute(query).first() is not None

    def list_timelines(self, *, limit: int = 50) -> list[TimelineEntry]:
        """Runs whose last attempt left a timeline, newest first."""
        columns = (runs.c.id, runs.c.protocol, runs.c.scenario, runs.c.state, runs.c.finished_at)
        query = (
            select(*columns, timelines.c.source, timelines.c.steps)
            .join(runs, runs.c.attempt == timelines.c.attempt)
            .order_by(runs.c.id.desc())
            .limit(limit)
        )
        with self.db.read() as connection:
            return [
                TimelineEntry(row.id, row.protocol, row.scenario, row.state, row.source, row.steps, row.finished_at)
                for row in connection.execute(query)
            ]

    def list_replayable(self, *, limit: int = 20) -> list[Replayable]:
        """Broken laws with a schedule, of the newest runs first."""
        query = (
            select(violations, attempts.c.run_id, runs.c.protocol)
            .join(attempts, attempts.c.token == violations.c.attempt)
            .join(runs, runs.c.attempt == attempts.c.token)
            .where(violations.c.schedule.is_not(None))
            .order_by(violations.c.id.desc())
            .limit(limit)
        )
        with self.db.read() as connection:
            found = connection.execute(query).all()
        places = {row.run_id: self.violations_of(row.run_id) for row in found}
        return [
            Replayable(
                row.run_id,
                row.protocol,
                row.law,
                row.sentence,
                1 + next(at for at, each in enumerate(places[row.run_id]) if each.law == row.law),
            )
            for row in found
        ]
