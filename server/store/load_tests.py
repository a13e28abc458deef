"""Load tests as Locust has reported them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, Select, insert, select

from server.db import Database, utc_now
from server.load import LoadEntry, LoadTest, LoadTestCreate, LoadTestResult, figures
from server.models import load_entries, load_tests, runs
from server.store.errors import NotFoundError
from server.store.runs import answered_before, remember_answer

CONFIG = ("cpu_mode",)  # facts that no column has


class LoadTests:
    """The part of the store that keeps load tests."""

    db: Database

    def add_load_test(self, asked: LoadTestCreate, *, idempotency_key: str | None = None) -> LoadTestResult:
        """Keep a load test. Raises NotFoundError for a run that is not there, IdempotencyError."""
        facts = asked.model_dump(mode="json")
        entries = facts.pop("entries")
        row = {
            **{name: value for name, value in facts.items() if name not in CONFIG},
            "config": {name: facts[name] for name in CONFIG},
            "created_at": utc_now(),
            "requests": sum(entry.requests for entry in asked.entries),
            "failures": sum(entry.failures for entry in asked.entries),
        }
        with self.db.write() as connection:
            known = answered_before(connection, idempotency_key, "load_test", asked)
            if known is None:
                run_id = asked.run_id
                if (
                    run_id is not None
                    and connection.execute(select(runs.c.id).where(runs.c.id == run_id)).first() is None
                ):
                    raise NotFoundError("run", run_id)
                known = connection.execute(insert(load_tests).values(**row).returning(load_tests.c.id)).scalar_one()
                if entries:
                    connection.execute(insert(load_entries), [{**entry, "load_test_id": known} for entry in entries])
                remember_answer(connection, idempotency_key, "load_test", asked, known)
        return self.get_load_test(known)

    def get_load_test(self, load_test_id: int) -> LoadTestResult:
        """One load test with its figures. Raises NotFoundError."""
        in_order = (load_entries.c.kind, load_entries.c.name)
        of_test = select(load_entries).where(load_entries.c.load_test_id == load_test_id).order_by(*in_order)
        with self.db.read() as connection:
            row = connection.execute(_select().where(load_tests.c.id == load_test_id)).one_or_none()
            entries = connection.execute(of_test).all()
        if row is None:
            raise NotFoundError("load test", load_test_id)
        plain = [{name: entry._mapping[name] for name in LoadEntry.model_fields} for entry in entries]
        told = [figures(LoadEntry.model_validate(entry), row.elapsed_ns) for entry in plain]
        return LoadTestResult(**_told(row), entries=told, errors=row.errors)

    def list_load_tests(self, *, limit: int = 50, before: int | None = None) -> tuple[list[LoadTest], int | None]:
        """Load tests, newest first, and the `before` of the next page, None at the end."""
        query = _select().order_by(load_tests.c.id.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(load_tests.c.id < before)
        with self.db.read() as connection:
            rows = connection.execute(query).all()
        following = rows[limit - 1].id if len(rows) > limit else None
        return [LoadTest(**_told(row)) for row in rows[:limit]], following


def _select() -> Select[Any]:
    return select(load_tests, runs.c.protocol).outerjoin(runs, runs.c.id == load_tests.c.run_id)


def _told(row: Row[Any]) -> dict[str, Any]:
    """The facts of a row of `_select`, as LoadTest takes them."""
    facts = {name: value for name, value in row._mapping.items() if name not in ("config", "errors")}
    return {**facts, **row.config}
