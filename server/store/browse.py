"""What pages read: rows of lists that no broken row can stop, and the newest samples of a run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text, cast, func, select

from server.db import Database
from server.filters import RUNS, Order, condition, order_by
from server.filters.sort import behind
from server.filters.tree import Node
from server.models import attempts, comparisons, runs, samples
from server.schemas import Sample
from server.store.errors import NotFoundError

PLAIN = (
    runs.c.id,
    runs.c.state,
    runs.c.reason_code,
    runs.c.reason,
    runs.c.protocol,
    runs.c.scenario,
    runs.c.executor,
    runs.c.cpus,
    runs.c.seed,
    runs.c.study_id,
    runs.c.arm,
    runs.c.block,
    runs.c.attempts,
    runs.c.host,
    runs.c.throughput_ops_s,
    runs.c.p50_ns,
    runs.c.p99_ns,
    runs.c.p999_ns,
    runs.c.created_at,
    runs.c.running_at,
    runs.c.finished_at,
)
_BESIDE = runs.outerjoin(attempts, attempts.c.token == runs.c.attempt)
FACETS = ("state", "protocol", "scenario", "executor")
FACET_ROWS = 1_000  # newest matches that facets are counted over: bounded, whatever the number of runs


@dataclass(frozen=True)
class ListedRun:
    """A row of a list of runs: plain columns, and what could be read of the documents. `broken`: what could not."""

    columns: Mapping[str, Any]
    metrics: Mapping[str, Any]
    spec: Mapping[str, Any]
    broken: str | None

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]


def _listed(row: Any) -> ListedRun:
    columns = dict(row._mapping)
    documents: dict[str, Mapping[str, Any]] = {}
    wrong = []
    for name in ("metrics", "spec"):
        text = columns.pop(f"{name}_text")
        documents[name] = {}
        try:
            told = json.loads(text) if text is not None else {}
            if not isinstance(told, dict):
                raise ValueError("it is no object")
            documents[name] = told
        except ValueError as error:
            wrong.append(f"its {name} cannot be read ({error})")
    return ListedRun(columns, documents["metrics"], documents["spec"], "; ".join(wrong) or None)


class Browse:
    """The part of the store that pages read through."""

    db: Database

    def browse_runs(self, narrow: Node, order: Order, *, limit: int, offset: int = 0) -> tuple[list[ListedRun], bool]:
        """Rows of runs that pass a filter, and whether more follow. A row without what it is sorted by is left out."""
        page = select(runs.c.id).select_from(_BESIDE).where(condition(narrow, RUNS), behind(order, RUNS, None))
        page = page.order_by(*order_by(order, RUNS)).limit(limit + 1).offset(offset)
        documents = (cast(runs.c.spec, Text).label("spec_text"), cast(attempts.c.metrics, Text).label("metrics_text"))
        with self.db.read() as connection:
            ids = list(connection.execute(page).scalars())
            rows = select(*PLAIN, *documents).select_from(_BESIDE).where(runs.c.id.in_(ids[:limit]))
            found = {row.id: _listed(row) for row in connection.execute(rows)}
        return [found[run_id] for run_id in ids[:limit]], len(ids) > limit

    def facets(self, narrow: Node) -> tuple[dict[str, Counter[str]], int]:
        """How often each value of FACETS comes up in the newest FACET_ROWS matches, and how many those are."""
        newest = select(*(runs.c[name] for name in FACETS)).select_from(_BESIDE).where(condition(narrow, RUNS))
        counted: dict[str, Counter[str]] = {name: Counter() for name in FACETS}
        with self.db.read() as connection:
            rows = connection.execute(newest.order_by(runs.c.id.desc()).limit(FACET_ROWS)).all()
        for row in rows:
            for name in FACETS:
                counted[name][row._mapping[name]] += 1
        return counted, len(rows)

    def recent_samples(self, run_id: int, limit: int) -> list[Sample]:
        """The newest samples of a run's last attempt, in order of time. Raises NotFoundError."""
        with self.db.read() as connection:
            run = connection.execute(select(runs.c.attempt).where(runs.c.id == run_id)).one_or_none()
            if run is None:
                raise NotFoundError("run", run_id)
            query = select(samples.c.at_ns, samples.c.figures).where(samples.c.attempt == run.attempt)
            rows = connection.execute(query.order_by(samples.c.at_ns.desc()).limit(limit)).all()
        return [Sample(at_ns=row.at_ns, figures=row.figures) for row in reversed(rows)]

    def comparisons_of_study(self, study_id: int) -> list[int]:
        """Ids of the comparisons that were made of a study, newest first."""
        query = select(comparisons.c.id).where(comparisons.c.study_id == study_id).order_by(comparisons.c.id.desc())
        with self.db.read() as connection:
            return list(connection.execute(query.limit(20)).scalars())

    def place_in_queue(self, run_id: int) -> int:
        """How many queued runs are older than this one."""
        query = select(func.count()).select_from(runs).where(runs.c.state == "queued", runs.c.id < run_id)
        with self.db.read() as connection:
            return int(connection.execute(query).scalar_one())
