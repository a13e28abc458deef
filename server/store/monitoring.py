"""The database about itself: how many runs are in which state, and how large it is."""

from __future__ import annotations

from sqlalchemy import func, select, text

from server.db import Database, is_postgresql
from server.models import runs


class Monitoring:
    """The part of the store that metrics are read from."""

    db: Database

    def count_by_state(self) -> dict[str, int]:
        """State -> number of runs in it; states without a run are missing."""
        query = select(runs.c.state, func.count()).group_by(runs.c.state)
        with self.db.read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def size_bytes(self) -> int:
        """Bytes that the database takes, with free pages, without what SQLite has yet to take in from its log."""
        size = (
            "SELECT pg_database_size(current_database())"
            if is_postgresql(self.db.url)
            else "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        )
        with self.db.read() as connection:
            return int(connection.execute(text(size)).scalar_one())
