"""Whole lists as rows of the documented views, read as they are written: memory does not grow with the list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, column, select, table

from server.db import Database
from server.models import attempts, comparisons, explorations, load_tests, runs, studies
from server.query.views import VIEWS

ROWS_AT_ONCE = 500
# What a list is narrowed and sorted by: the table with the id that a view shows, and the name it has there.
OWNERS = {
    "run_id": runs,
    "study_id": studies,
    "comparison_id": comparisons,
    "load_test_id": load_tests,
    "exploration_id": explorations,
}
# Rows of one owner in a steady order.
WITHIN = {
    "v_metrics": ("metric",),
    "v_waits": ("cause",),
    "v_events": ("event",),
    "v_histograms": ("histogram",),
    "v_buckets": ("histogram", "lower_ns"),
    "v_samples": ("at_ns", "figure"),
    "v_violations": ("law",),
    "v_environment": ("key",),
    "v_comparisons": ("metric",),
    "v_requests": ("kind", "name"),
    "v_findings": ("number",),
}


class Exports:
    """The part of the store that gives whole lists."""

    db: Database

    def export(
        self, view: str, conditions: Sequence[ColumnElement[bool]] = (), order: Sequence[ColumnElement[Any]] = ()
    ) -> Iterator[Sequence[Any]]:
        """Rows of a view of VIEWS in the order of its columns, all of one state of the database.

        `conditions` and `order` speak of the tables of what the view is about: runs and attempts, studies,
        comparisons, load tests, explorations.
        Newest first unless told.
        """
        with self.db.read() as connection:
            options = {"stream_results": True, "max_row_buffer": ROWS_AT_ONCE}
            for rows in connection.execution_options(**options).execute(_query(view, conditions, order)).partitions():
                yield from rows


def _query(view: str, conditions: Sequence[ColumnElement[bool]], order: Sequence[ColumnElement[Any]]) -> Select[Any]:
    names = list(VIEWS[view].columns)
    shown = table(view, *(column(name) for name in names))
    owner = OWNERS[names[0]]
    joined = shown.join(owner, owner.c.id == shown.c[names[0]])
    if owner is runs:
        joined = joined.outerjoin(attempts, attempts.c.token == runs.c.attempt)
    within = [shown.c[name] for name in WITHIN.get(view, ())]
    return select(*shown.c).select_from(joined).where(*conditions).order_by(*(order or [owner.c.id.desc()]), *within)
