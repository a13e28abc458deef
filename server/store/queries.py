"""Queries that users keep under a name, beside those that the service brings."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select

from server.db import Database, utc_now
from server.models import saved_queries
from server.store.errors import ConflictError, NotFoundError

MAX_SAVED = 1_000  # queries; beyond it a list of them helps nobody


@dataclass(frozen=True)
class SavedQuery:
    """A statement under a name."""

    name: str
    title: str
    sql: str
    created_at: str


class Queries:
    """The part of the store that keeps queries."""

    db: Database

    def save_query(self, name: str, title: str, sql: str) -> SavedQuery:
        """Keep a query. Raises ConflictError for a name that is taken, and when there are too many."""
        kept = SavedQuery(name, title, sql, utc_now())
        with self.db.write() as connection:
            if connection.execute(select(saved_queries.c.name).where(saved_queries.c.name == name)).first():
                raise ConflictError(f"there is a query {name!r} already; delete it, or choose another name")
            if connection.execute(select(func.count()).select_from(saved_queries)).scalar_one() >= MAX_SAVED:
                raise ConflictError(f"{MAX_SAVED} queries are kept already; delete some")
            connection.execute(insert(saved_queries).values(**vars(kept)))
        return kept

    def list_queries(self) -> list[SavedQuery]:
        """All kept queries by name."""
        with self.db.read() as connection:
            rows = connection.execute(select(saved_queries).order_by(saved_queries.c.name))
            return [SavedQuery(**row._mapping) for row in rows]

    def get_query(self, name: str) -> SavedQuery:
        """One kept query. Raises NotFoundError."""
        with self.db.read() as connection:
            row = connection.execute(select(saved_queries).where(saved_queries.c.name == name)).one_or_none()
        if row is None:
            raise NotFoundError("query", repr(name))
        return SavedQuery(**row._mapping)

    def delete_query(self, name: str) -> None:
        """Forget a kept query. Raises NotFoundError."""
        with self.db.write() as connection:
            if not connection.execute(delete(saved_queries).where(saved_queries.c.name == name)).rowcount:
                raise NotFoundError("query", repr(name))
