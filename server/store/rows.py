"""From rows to models: the one place that knows both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from server.models import attempts, histograms, runs, waits
from server.schemas import Attempt, Run, StateReason
from workers.outcome import Histogram, Wait


def select_runs() -> Select[Any]:
    """Runs beside the figures of their last attempt."""
    names = ("elapsed_ns", "metrics", "events", "laws_checked", "known")
    figures = (attempts.c[name] for name in names)
    return select(runs, *figures).outerjoin(attempts, attempts.c.token == runs.c.attempt)


def _waits_of(connection: Connection, tokens: Sequence[str]) -> dict[str, dict[str, Wait]]:
    found: dict[str, dict[str, Wait]] = defaultdict(dict)
    for row in connection.execute(select(waits).where(waits.c.attempt.in_(tokens)).order_by(waits.c.cause)):
        found[row.attempt][row.cause] = Wait(count=row.count, total_ns=row.total_ns, max_ns=row.max_ns)
    return found


def to_runs(connection: Connection, rows: Iterable[Row[Any]]) -> list[Run]:
    """Runs of rows of `select_runs`, each with its wait causes."""
    rows = list(rows)
    waits_of = _waits_of(connection, [row.attempt for row in rows if row.attempt is not None])
    return [_to_run(row._mapping, waits_of.get(row.attempt, {})) for row in rows]


def _to_run(row: Any, wait_causes: dict[str, Wait]) -> Run:
    names = Run.model_fields.keys() - {"state_reason", "waits"}
    reason = None if row["reason_code"] is None else StateReason(code=row["reason_code"], sentence=row["reason"])
    has_outcome = row["metrics"] is not None
    return Run(**{name: row[name] for name in names}, state_reason=reason, waits=wait_causes if has_outcome else None)


def to_attempt(row: Row[Any]) -> Attempt:
    """The public part of an attempt's row."""
    return Attempt(**{name: row._mapping[name] for name in Attempt.model_fields})


def histogram_row(token: str, name: str, histogram: Histogram) -> dict[str, Any]:
    """A histogram as stored: its buckets as [lower_ns, upper_ns, count], one a non-empty bucket."""
    buckets = [list(bucket) for bucket in zip(histogram.lower_ns, histogram.upper_ns, histogram.counts, strict=True)]
    return {
        "attempt": token,
        "name": name,
        "total": histogram.total,
        "sum_ns": histogram.sum_ns,
        "max_ns": histogram.max_ns,
        "buckets": buckets,
    }


def to_histogram(row: Row[Any]) -> Histogram:
    """The histogram of a row of `histograms`."""
    lower, upper, counts = ([bucket[i] for bucket in row.buckets] for i in range(3))
    return Histogram(
        lower_ns=lower, upper_ns=upper, counts=counts, total=row.total, sum_ns=row.sum_ns, max_ns=row.max_ns
    )


def select_histograms(tokens: Sequence[str]) -> Select[Any]:
    """Histograms of attempts, by name."""
    return select(histograms).where(histograms.c.attempt.in_(tokens)).order_by(histograms.c.name)
