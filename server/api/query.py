"""Read-only SQL over the documented views: asked, kept under a name, and documented."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Literal

from apiflask import APIBlueprint
from flask import Response, current_app, stream_with_context
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from server.api.common import PREFIX, Body, Number, Responses, problems, the_service
from server.auth.access import needs
from server.csv_rows import csv_row
from server.errors import Fault, ProblemError
from server.query import VIEWS, Answer, QueryBusyError, QueryError, QueryRunner
from server.query.examples import EXAMPLES
from server.schemas import Model

EXTENSION = "swaprace.query"
MAX_ROWS = 100_000
MAX_SQL = 20_000  # characters
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
Sql = Field(min_length=1, max_length=MAX_SQL, description="one SELECT, or WITH and SELECT, over the views")


class Question(Body):
    """A statement, and how many rows of its answer are wanted."""

    sql: str = Sql
    limit: int = Field(1_000, ge=1, le=MAX_ROWS, description="most rows to answer with")


class QuestionQuery(BaseModel):
    """The same in an address, for links."""

    model_config = ConfigDict(extra="forbid")

    sql: str = Sql
    limit: Number = Field(MAX_ROWS, ge=1, le=MAX_ROWS, description="most rows to answer with")
    format: Literal["json", "csv"] = "json"


class QueryAnswer(Model):
    """Rows as arrays in the order of `columns`. `truncated`: there are more rows than `limit`."""

    columns: list[str]
    rows: list[list[JsonValue]]
    truncated: bool
    elapsed_ns: int = Field(description="from the request to the last row, the start of the helper process included")


class ViewColumn(Model):
    """A column of a view."""

    name: str
    meaning: str


class ViewEntry(Model):
    """A view: what a row of it is, and its columns."""

    name: str
    row: str
    columns: list[ViewColumn]


class ViewList(Model):
    """Every view that a query may ask."""

    items: list[ViewEntry]


class SavedQueryCreate(Body):
    """A query to keep."""

    name: str = Field(pattern=NAME)
    title: str = Field("", max_length=200, pattern=r"^[^\x00]*$")
    sql: str = Sql


class SavedQueryEntry(Model):
    """A query under a name. `shipped`: it is one of the documentation, and stays."""

    name: str
    title: str
    sql: str
    shipped: bool
    created_at: str | None = None


class SavedQueryList(Model):
    """Those of the documentation first, then those that users keep, by name."""

    items: list[SavedQueryEntry]


def the_runner() -> QueryRunner:
    """The runner of the app that answers; one for all threads, as it counts the processes."""
    made: Any = current_app.extensions.get(EXTENSION) or current_app.extensions.setdefault(
        EXTENSION, QueryRunner(the_service().settings)
    )
    assert isinstance(made, QueryRunner)
    return made


def refusal(error: QueryError | QueryBusyError, *, pointer: str | None, parameter: str | None) -> ProblemError:
    """The problem that says why a statement was not answered."""
    if isinstance(error, QueryBusyError):
        return ProblemError(503, "busy", f"{error}.")
    fault = Fault(detail=str(error), pointer=pointer, parameter=parameter)
    return ProblemError(422, f"query_{error.code}", f"The query was not answered: {error}.", [fault])


def ask(sql: str, limit: int) -> Answer:
    """The answer to a statement. Raises QueryError, QueryBusyError."""
    return the_runner().ask(sql, limit)


def saved_queries() -> list[SavedQueryEntry]:
    """Every query that has a name."""
    shipped = [SavedQueryEntry(name=each.name, title=each.title, sql=each.sql, shipped=True) for each in EXAMPLES]
    return shipped + [SavedQueryEntry(**vars(each), shipped=False) for each in the_service().store.list_queries()]


def views() -> list[ViewEntry]:
    """Every view with its columns."""
    return [
        ViewEntry(name=name, row=view.row, columns=[ViewColumn(name=n, meaning=m) for n, m in view.columns.items()])
        for name, view in VIEWS.items()
    ]


def query() -> APIBlueprint:
    """The blueprint of /query."""
    bp = APIBlueprint("query", __name__, url_prefix=f"{PREFIX}/query", tag="query")

    @bp.post("")
    @bp.input(Question, arg_name="body")
    @bp.output(QueryAnswer, description="The rows.")
    @bp.doc(summary="Ask the views by SQL", responses=problems(503))
    @needs("read")
    def post_query(body: Question) -> QueryAnswer:
        try:
            return QueryAnswer(**vars(ask(body.sql, body.limit)))
        except (QueryError, QueryBusyError) as error:
            raise refusal(error, pointer="#/sql", parameter=None) from error

    @bp.get("")
    @bp.input(QuestionQuery, location="query", arg_name="query")
    @bp.doc(summary="The same as a link, as JSON or CSV", responses={**_answer_responses(), **problems(503)})
    def get_query(query: QuestionQuery) -> Response:
        try:
            if query.format == "csv":
                return _csv(query.sql, query.limit)
            return Response(json.dumps(vars(ask(query.sql, query.limit))), mimetype="application/json")
        except (QueryError, QueryBusyError) as error:
            raise refusal(error, pointer=None, parameter="sql") from error

    @bp.get("/views")
    @bp.output(ViewList, description="The views.")
    @bp.doc(summary="List the views and their columns")
    def list_views() -> ViewList:
        return ViewList(items=views())

    _saved(bp)
    return bp


def _saved(bp: APIBlueprint) -> None:
    @bp.get("/saved")
    @bp.output(SavedQueryList, description="The queries.")
    @bp.doc(summary="List queries that have a name")
    def list_saved() -> SavedQueryList:
        return SavedQueryList(items=saved_queries())

    @bp.post("/saved")
    @bp.input(SavedQueryCreate, arg_name="body")
    @bp.output(SavedQueryEntry, status_code=201, description="It is kept; Location is its address.")
    @bp.doc(summary="Keep a query under a name", responses=problems(409))
    def save(body: SavedQueryCreate) -> tuple[SavedQueryEntry, int, dict[str, str]]:
        if body.name in {each.name for each in EXAMPLES}:
            raise ProblemError(409, "conflict", f"{body.name} is a query of the documentation; choose another name.")
        kept = the_service().store.save_query(body.name, body.title, body.sql)
        return SavedQueryEntry(**vars(kept), shipped=False), 201, {"Location": f"{PREFIX}/query/saved/{kept.name}"}

    @bp.get("/saved/<name>")
    @bp.output(SavedQueryEntry, description="The query.")
    @bp.doc(summary="Look at a query that has a name", responses=problems(404))
    def get_saved(name: str) -> SavedQueryEntry:
        for each in EXAMPLES:
            if each.name == name:
                return SavedQueryEntry(name=each.name, title=each.title, sql=each.sql, shipped=True)
        return SavedQueryEntry(**vars(the_service().store.get_query(name)), shipped=False)

    @bp.delete("/saved/<name>")
    @bp.output({}, status_code=204, description="It is forgotten.")
    @bp.doc(summary="Forget a query", responses=problems(404, 409))
    def delete_saved(name: str) -> tuple[str, int]:
        if name in {each.name for each in EXAMPLES}:
            raise ProblemError(409, "conflict", f"{name} is a query of the documentation, which stays.")
        the_service().store.delete_query(name)
        return "", 204


def _csv(sql: str, limit: int) -> Response:
    """The answer as CSV, a row at a time; what goes wrong before the first row is an error, not half an answer."""
    held = ExitStack()
    try:
        columns, rows = held.enter_context(the_runner().stream(sql, limit))
        first = next(rows)
    except BaseException:
        held.close()
        raise

    def lines() -> Iterator[str]:
        with held:
            yield csv_row(columns)
            row = first
            while isinstance(row, list):
                yield csv_row(row)
                row = next(rows)

    response = Response(stream_with_context(lines()), mimetype="text/csv")
    response.call_on_close(held.close)
    response.headers["Content-Disposition"] = 'attachment; filename="query.csv"'
    return response


def _answer_responses() -> Responses:
    content = {
        "application/json": {"schema": QueryAnswer.model_json_schema()},
        "text/csv": {"schema": {"type": "string", "description": "names of the columns, then a line a row"}},
    }
    return {200: {"description": "The rows; CSV with format=csv.", "content": content}}
