"""Whole lists as CSV or JSON, streamed; and the whole database as one file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from apiflask import APIBlueprint
from flask import Response, stream_with_context
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement

from server.api.common import PREFIX, Responses, problems, the_service
from server.auth.access import needs
from server.csv_rows import csv_row
from server.errors import Fault, ProblemError
from server.filters import (
    COMPARISONS,
    EXPLORATIONS,
    LOADS,
    RUNS,
    STUDIES,
    FilteredList,
    FilterError,
    condition,
    order_by,
    parse,
    parse_sort,
)
from server.query.views import VIEWS
from server.store import NotFoundError
from server.store.backup import write_backup
from server.temporary import TemporaryFolder

# What can be had whole: the views under the names of their lists.
LISTS = {view.removeprefix("v_"): view for view in VIEWS}
FILTERS: dict[str, FilteredList] = {
    "run_id": RUNS,
    "study_id": STUDIES,
    "comparison_id": COMPARISONS,
    "load_test_id": LOADS,
    "exploration_id": EXPLORATIONS,
}
CHUNK = 64 << 10


class ExportQuery(BaseModel):
    """Which rows, in which order and form."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["csv", "json"] = "csv"
    filter: str = Field(
        "",
        max_length=2_000,
        description="a filter of runs, studies, comparisons, load tests or explorations (docs/filters.md)",
    )
    sort: str = Field("-id", max_length=64, description="a field to order by; - before it for from most to least")


def exports() -> APIBlueprint:
    """The blueprint of /exports and /database."""
    bp = APIBlueprint("exports", __name__, url_prefix=PREFIX, tag="exports")

    @bp.get("/exports/<name>")
    @bp.input(ExportQuery, location="query", arg_name="query")
    @bp.doc(summary="A whole list, as CSV or JSON", responses={**_export_responses(), **problems(404)})
    def export(name: str, query: ExportQuery) -> Response:
        if name not in LISTS:
            raise NotFoundError("list", f"{name!r}; lists are {', '.join(LISTS)}")
        view = LISTS[name]
        columns = list(VIEWS[view].columns)
        conditions, order = _narrowed(FILTERS[columns[0]], query)
        rows = the_service().store.export(view, conditions, order)
        write = _csv(columns, rows) if query.format == "csv" else _json(columns, rows)
        kind = "text/csv" if query.format == "csv" else "application/json"
        response = Response(stream_with_context(write), mimetype=kind)
        response.headers["Content-Disposition"] = f'attachment; filename="{name}.{query.format}"'
        return response

    @bp.get("/database")
    @bp.doc(summary="The whole database as one SQLite file", responses=_file_responses())
    @needs("admin")
    def database() -> Response:
        folder = TemporaryFolder()
        try:
            path = folder.path / "results.db"
            write_backup(the_service().store.db, path)
            response = Response(_parts(path), mimetype="application/vnd.sqlite3")
            response.content_length = path.stat().st_size
        except BaseException:
            folder.remove()
            raise
        response.headers["Content-Disposition"] = 'attachment; filename="results.db"'
        response.call_on_close(folder.remove)
        return response

    return bp


def _narrowed(fields: FilteredList, query: ExportQuery) -> tuple[list[ColumnElement[bool]], list[ColumnElement[Any]]]:
    """The conditions and the order of a query. Raises ProblemError that points at the parameter."""
    parameter = "filter"
    try:
        conditions = [condition(parse(query.filter, fields), fields)]
        parameter = "sort"
        return conditions, order_by(parse_sort(query.sort, fields), fields)
    except FilterError as error:
        fault = Fault(parameter=parameter, detail=str(error))
        raise ProblemError(422, "invalid", f"The {parameter} cannot be used: {error}.", [fault]) from error


def _parts(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(CHUNK):
            yield part


def _csv(columns: Sequence[str], rows: Iterator[Sequence[Any]]) -> Iterator[str]:
    yield csv_row(columns)
    for row in rows:
        yield csv_row(row)


def _json(columns: Sequence[str], rows: Iterator[Sequence[Any]]) -> Iterator[str]:
    """An array of objects, one a line."""
    before = "[\n"
    for row in rows:
        yield before + json.dumps(dict(zip(columns, row, strict=True)), default=_number)
        before = ",\n"
    yield "\n]\n" if before != "[\n" else "[]\n"


def _number(value: Any) -> int | float:
    """PostgreSQL's sums and quotients of whole numbers. Raises TypeError for anything else."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} is no value of a view")


def _export_responses() -> Responses:
    content = {
        "text/csv": {"schema": {"type": "string", "description": "names of the columns, then a line a row"}},
        "application/json": {"schema": {"type": "array", "items": {"type": "object"}}},
    }
    return {200: {"description": "Rows of the view of that name, in its columns.", "content": content}}


def _file_responses() -> Responses:
    content: dict[str, Any] = {"application/vnd.sqlite3": {"schema": {"type": "string", "format": "binary"}}}
    return {200: {"description": "A SQLite file of one state of the database.", "content": content}}
