"""SQL over the documented views: a statement in the address, its answer as a table, a chart, and CSV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

from apiflask import APIBlueprint
from flask import Response, redirect, render_template, request
from markupsafe import Markup
from pydantic import Field, ValidationError

from server.api.common import Number, the_service
from server.api.query import EXAMPLES, MAX_SQL, SavedQueryCreate, ask, saved_queries, views
from server.charts.plain import MOST_SERIES, Rows, draw_rows
from server.charts.svg import NARROW, STYLE, WIDE, Form
from server.errors import ProblemError, faults_of_validation
from server.guard import takes_form
from server.pages.frame import PageQuery
from server.query import Answer, QueryBusyError, QueryError
from server.store import ConflictError

SHOWN_ROWS = 500
CHART_ROWS = 20_000


class SqlQuery(PageQuery):
    """A statement, and how its answer is shown."""

    sql: str = Field("", max_length=MAX_SQL)
    limit: Number = Field(SHOWN_ROWS, ge=1, le=SHOWN_ROWS, description="most rows of the table")
    show: Literal["table", "chart"] = "table"
    x: str | None = Field(None, max_length=200, description="column of the chart; None: the first")
    y: str | None = Field(None, max_length=200, description="column of the chart; None: the first with numbers")
    series: str | None = Field(None, max_length=200, description="column whose values are lines of their own")
    log_x: Literal["1"] | None = None
    log_y: Literal["1"] | None = None


@dataclass(frozen=True)
class Chart:
    """What is drawn of an answer, and which columns could be."""

    rows: Rows | None
    columns: list[str]
    numeric: list[str]
    x: str | None
    y: str | None
    series: str | None
    note: str | None

    def inline(self) -> Markup:
        """The drawing for a page."""
        return Markup(
            "" if self.rows is None else draw_rows(self.rows, WIDE).inline() + draw_rows(self.rows, NARROW).inline()
        )

    def file(self, form: Form = WIDE) -> str:
        """The drawing as an SVG file. ProblemError: there is nothing to draw."""
        if self.rows is None:
            raise ProblemError(422, "invalid", self.note or "There is nothing to draw.")
        return draw_rows(self.rows, form).standalone(STYLE.read_text(encoding="utf-8"))


def sql() -> APIBlueprint:
    """The blueprint of /query."""
    bp = APIBlueprint("sql_page", __name__, url_prefix="/query", enable_openapi=False)

    @bp.get("")
    @bp.input(SqlQuery, location="query", arg_name="query")
    def show_query(query: SqlQuery) -> Any:
        answer, error = _answer(query, query.limit if query.show == "table" else CHART_ROWS)
        page = render_template(
            "query.html",
            query=query,
            answer=answer,
            error=error,
            chart=chart_of(answer, query) if answer is not None and query.show == "chart" else None,
            views=views(),
            saved=saved_queries(),
            csv=f"/api/v1/query?{urlencode({'sql': query.sql, 'format': 'csv'})}",
            svg=f"/query/chart.svg?{urlencode(request.args)}",
            shown=SHOWN_ROWS,
        )
        return page, 422 if error else 200

    @bp.get("/chart.svg")
    @bp.input(SqlQuery, location="query", arg_name="query")
    def chart_file(query: SqlQuery) -> Response:
        answer, error = _answer(query, CHART_ROWS)
        if answer is None:
            raise ProblemError(422, "invalid", error or "Say what to ask: ?sql=SELECT ...")
        return Response(chart_of(answer, query).file(), mimetype="image/svg+xml")

    @bp.post("/saved")
    @takes_form
    def save() -> Any:
        try:
            body = SavedQueryCreate.model_validate(request.form.to_dict())
        except ValidationError as error:
            faults = faults_of_validation(error, in_query=True)
            raise ProblemError(422, "invalid", "The query cannot be kept like that.", faults) from error
        if body.name in {each.name for each in EXAMPLES}:
            raise ConflictError(f"{body.name} is a query of the documentation; choose another name")
        the_service().store.save_query(body.name, body.title, body.sql)
        return redirect(f"/query?{urlencode({'sql': body.sql})}", 303)

    return bp


def _answer(query: SqlQuery, rows: int) -> tuple[Answer | None, str | None]:
    """The answer, or why there is none; neither without a statement."""
    if not query.sql.strip():
        return None, None
    try:
        return ask(query.sql, rows), None
    except (QueryError, QueryBusyError) as error:
        sentence = str(error)
        return None, sentence[:1].upper() + sentence[1:] + "."


def chart_of(answer: Answer, query: SqlQuery) -> Chart:
    """The columns that the address names, or those that suggest themselves, as something to draw."""
    columns = answer.columns
    numeric = [name for at, name in enumerate(columns) if _is_numeric(answer, at)]
    x = query.x if query.x in columns else next(iter(columns), None)
    y = query.y if query.y in numeric else next((name for name in reversed(numeric) if name != x), None)
    series = query.series if query.series in columns and query.series not in (x, y) else None
    if x is None or y is None:
        return Chart(None, columns, numeric, x, y, series, "No column holds numbers, so there is nothing to draw.")
    at_x, at_y = columns.index(x), columns.index(y)
    at_series = columns.index(series) if series else None
    found: dict[str, list[tuple[float | str, float]]] = {}
    for row in answer.rows:
        if row[at_x] is None or row[at_y] is None:
            continue
        name = str(row[at_series]) if at_series is not None else y
        place = row[at_x] if x in numeric else str(row[at_x])
        found.setdefault(name, []).append((place, float(row[at_y])))
    note = None
    if len(found) > MOST_SERIES:
        note = f"{series} has {len(found)} values; the first {MOST_SERIES} are drawn."
        found = dict(list(found.items())[:MOST_SERIES])
    if not found:
        return Chart(None, columns, numeric, x, y, series, "No row has both columns, so there is nothing to draw.")
    rows = Rows(x, y, found, log_x=query.log_x is not None, log_y=query.log_y is not None)
    return Chart(rows, columns, numeric, x, y, series, note)


def _is_numeric(answer: Answer, at: int) -> bool:
    values = [row[at] for row in answer.rows if row[at] is not None]
    return bool(values) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
