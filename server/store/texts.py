"""Pages of lists as JSON texts. The documents of a row are JSON in the database and go out as they are.

To make models of 50 runs and to write them again takes four times as long as to read them. What a model would say and
what stands here is the same: tests/api/test_lists.py compares every item with the resource itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Text, cast, func, literal_column, select

from server.db import Database
from server.filters import COMPARISONS, NEWEST, RUNS, STUDIES, FilteredList, Order, Position
from server.filters.tree import Node
from server.models import attempts, comparisons, runs, studies, waits
from server.schemas import Run, RunFilter, StoredComparison, Study
from server.states import TERMINAL
from server.store.listing import page_of

_OF_ATTEMPT = ("metrics", "events", "laws_checked", "known")
_RUN_DOCUMENTS: dict[str, Any] = {"spec": runs.c.spec, **{name: attempts.c[name] for name in _OF_ATTEMPT}}
_BESIDE = runs.outerjoin(attempts, attempts.c.token == runs.c.attempt)
_WAIT = "('count', \"count\", 'total_ns', total_ns, 'max_ns', max_ns)"
_WAITS = {
    "sqlite": f"json_group_object(cause, json_object{_WAIT})",
    "postgresql": f"json_object_agg(cause, json_build_object{_WAIT})",
}


class Texts:
    """The part of the store that gives pages of lists to those who pass them on."""

    db: Database

    def run_texts(
        self,
        narrow: RunFilter,
        *,
        where: Node | None = None,
        order: Order = NEWEST,
        limit: int = 50,
        after: Position | None = None,
    ) -> tuple[list[str], Position | None]:
        """What `Runs.list_runs` finds, each run as the JSON of `Run`."""
        wanted = {
            runs.c.state: narrow.state,
            runs.c.protocol: narrow.protocol,
            runs.c.scenario: narrow.scenario,
            runs.c.study_id: narrow.study,
        }
        which = [column == value for column, value in wanted.items() if value is not None]
        page = select(runs.c.id).select_from(_BESIDE).where(*which)
        plain = Run.model_fields.keys() - _RUN_DOCUMENTS.keys() - {"state_reason", "waits"}
        shown = {name: runs.c[name] if name in runs.c else attempts.c[name] for name in plain}
        with self.db.read() as connection:
            ids, following = _ids(connection, page, RUNS, where=where, order=order, limit=limit, after=after)
            more = {"reason_code": runs.c.reason_code, "reason": runs.c.reason, "waits": _waits(connection)}
            rows = _rows(connection, select().select_from(_BESIDE), ids, {**shown, **more}, _RUN_DOCUMENTS)
        return [_run(row, row.pop("waits")) for row in rows], following

    def study_texts(
        self,
        *,
        where: Node | None = None,
        order: Order = NEWEST,
        limit: int = 50,
        after: Position | None = None,
    ) -> tuple[list[str], Position | None]:
        """What `Studies.list_studies` finds, each study as the JSON of `Study`."""
        plain = {name: studies.c[name] for name in Study.model_fields if name in studies.c and name != "arms"}
        counted = select(runs.c.study_id, runs.c.state, func.count().label("number"))
        with self.db.read() as connection:
            page = select(studies.c.id)
            ids, following = _ids(connection, page, STUDIES, where=where, order=order, limit=limit, after=after)
            rows = _rows(connection, select().select_from(studies), ids, plain, {"arms": studies.c.arms})
            numbers: dict[int, dict[str, int]] = {study_id: {} for study_id in ids}
            counted = counted.where(runs.c.study_id.in_(ids)).group_by(runs.c.study_id, runs.c.state)
            for row in connection.execute(counted):
                numbers[row.study_id][row.state] = row.number
        return [_study(row, numbers[row["id"]]) for row in rows], following

    def comparison_texts(
        self,
        *,
        where: Node | None = None,
        order: Order = NEWEST,
        limit: int = 50,
        after: Position | None = None,
    ) -> tuple[list[str], Position | None]:
        """What `Comparisons.list_comparisons` finds, each as the JSON of `StoredComparison`."""
        documents = {name: comparisons.c[name] for name in ("baseline_runs", "candidate_runs", "result")}
        plain = {name: comparisons.c[name] for name in StoredComparison.model_fields if name not in documents}
        with self.db.read() as connection:
            page = select(comparisons.c.id)
            ids, following = _ids(connection, page, COMPARISONS, where=where, order=order, limit=limit, after=after)
            rows = _rows(connection, select().select_from(comparisons), ids, plain, documents)
        return [_text(row, documents) for row in rows], following


def _ids(connection: Connection, page: Select[Any], of: FilteredList, **how: Any) -> tuple[list[int], Position | None]:
    """Ids of a page: the whole rows are read of these alone, whatever must be looked through to find them."""
    found, following = page_of(connection, page, of, **how)
    return [row.id for row in found], following


def _waits(connection: Connection) -> ColumnElement[Any]:
    """The wait causes of a run's last attempt as one document; NULL before an outcome."""
    grouped = cast(literal_column(_WAITS[connection.dialect.name]), Text)
    return select(grouped).select_from(waits).where(waits.c.attempt == runs.c.attempt).scalar_subquery()


def _rows(
    connection: Connection,
    query: Select[Any],
    ids: Sequence[int],
    plain: Mapping[str, ColumnElement[Any]],
    documents: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Rows in the order of `ids`; documents as the text that the database holds."""
    shown = [value.label(name) for name, value in plain.items()]
    texts = [cast(value, Text).label(name) for name, value in documents.items()]
    found = connection.execute(query.add_columns(*shown, *texts).where(plain["id"].in_(ids))).mappings()
    by_id = {row["id"]: dict(row) for row in found}
    return [by_id[number] for number in ids]


def _text(row: dict[str, Any], documents: Mapping[str, Any]) -> str:
    """A row as an object: its plain values written here, its documents as they are."""
    texts = [(name, row.pop(name)) for name in documents]
    parts = "".join(f', "{name}": {"null" if text is None else text}' for name, text in texts)
    return json.dumps(row)[:-1] + parts + "}"


def _run(row: dict[str, Any], causes: str | None) -> str:
    code, sentence = row.pop("reason_code"), row.pop("reason")
    row["state_reason"] = None if code is None else {"code": code, "sentence": sentence}
    row["waits"] = causes if row["metrics"] is not None else None
    return _text(row, {**_RUN_DOCUMENTS, "waits": None})


def _study(row: dict[str, Any], states: dict[str, int]) -> str:
    finished = not states.keys() - TERMINAL
    return _text({**row, "runs": sum(states.values()), "states": states, "finished": finished}, {"arms": None})
