"""Comparisons as they were made: they are kept, not made again."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select

from server.db import Database, utc_now
from server.models import comparisons
from server.schemas import ComparisonCreate, StoredComparison
from server.store.errors import NotFoundError
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
            "baseline": asked.baseline,
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
        return StoredComparison(**row._mapping)

    def list_comparisons(
        self, *, limit: int = 50, before: int | None = None
    ) -> tuple[list[StoredComparison], int | None]:
        """Newest comparisons first; and the `before` of the next page, None at the end."""
        query = select(comparisons).order_by(comparisons.c.id.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(comparisons.c.id < before)
        with self.db.read() as connection:
            found = [StoredComparison(**row._mapping) for row in connection.execute(query)]
        return found[:limit], found[limit - 1].id if len(found) > limit else None
