"""Comparisons as they were made: they are kept, not made again."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, insert, select

from server.db import Database, utc_now
from server.filters import COMPARISONS, NEWEST, Order, Position
from server.filters.tree import Node
from server.models import comparisons
from server.schemas import ComparisonCreate, StoredComparison
from server.store.errors import NotFoundError
from server.store.listing import page_of
from server.store.runs import answered_before, remember_answer


class Comparisons:
    """The part of the store that keeps comparisons."""

    db: Database

    def find_comparison(self, asked: ComparisonCreate, idempotency_key: str | None) -> StoredComparison | None:
        """The comparison that the key made before, if any. Raises IdempotencyError."""
        with self.db.read() as connection:
            known = answered_before(connection, idempotency_key, "comparison", asked)
        return None if known is None else self.get_comparison(known)

    def add_comparison(
        self,
        asked: ComparisonCreate,
        baseline_runs: list[int],
        candidate_runs: list[int],
        result: dict[str, Any],
        *,
        idempotency_key: str | None = None,
    ) -> StoredComparison:
        """Keep a result beside what was asked and the runs it took. Of two with the same key the first is kept."""
        row = {
            "created_at": utc_now(),
            "study_id": asked.study,
            "baseline": asked.against or asked.baseline,
            "candidate": asked.candidate,
            "baseline_runs": baseline_runs,
            "candidate_runs": candidate_runs,
            "result": result,
        }
        with self.db.write() as connection:
            known = answered_before(connection, idempotency_key, "comparison", asked)
            if known is None:
                known = connection.execute(insert(comparisons).values(**row).returning(comparisons.c.id)).scalar_one()
                remember_answer(connection, idempotency_key, "comparison", asked, known)
        return self.get_comparison(known)

    def get_comparison(self, comparison_id: int) -> StoredComparison:
        """One comparison. Raises NotFoundError."""
        with self.db.read() as connection:
            row = connection.execute(select(comparisons).where(comparisons.c.id == comparison_id)).one_or_none()
        if row is None:
            raise NotFoundError("comparison", comparison_id)
        return _stored(row)

    def list_comparisons(
        self,
        *,
        where: Node | None = None,
        order: Order = NEWEST,
        limit: int = 50,
        after: Position | None = None,
    ) -> tuple[list[StoredComparison], Position | None]:
        """Comparisons, newest first unless told; and the `after` of the next page, None at the end."""
        query = select(comparisons)
        with self.db.read() as connection:
            rows, following = page_of(
                connection, query, COMPARISONS, where=where, order=order, limit=limit, after=after
            )
        return [_stored(row) for row in rows], following


def _stored(row: Row[Any]) -> StoredComparison:
    return StoredComparison(**{name: row._mapping[name] for name in StoredComparison.model_fields})
