"""The list of runs: narrowed by the filter grammar, sorted, with the columns that the address asks for."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from apiflask import APIBlueprint
from flask import render_template
from pydantic import Field

from server.api.common import Number, the_service
from server.filters import RUNS, FilterError, Order, parse, parse_sort
from server.filters.tree import Every, Node
from server.pages.columns import COLUMNS, Column, chosen, toggled
from server.pages.frame import PageQuery, here
from server.store import Store
from server.store.browse import FACETS, ListedRun

ROWS = 50
MOST_PAGES = 20_000  # a million runs


class RunsQuery(PageQuery):
    """What is listed, in which order, and which columns are shown."""

    filter: str = Field("", max_length=2_000, description="docs/filters.md")
    sort: str = Field("-id", max_length=64, description="a field, - before it for most to least")
    columns: str | None = Field(None, max_length=1_000, description="names of columns, separated by commas")
    page: Number = Field(1, ge=1, le=MOST_PAGES, description="pages count from 1")


@dataclass(frozen=True)
class Heading:
    """A heading of the table: where it leads, and which way the list is sorted by it (ascending, descending, None)."""

    column: Column
    url: str | None
    sorted: str | None


@dataclass(frozen=True)
class Chip:
    """A value of a facet, how often it comes up, and the address with it put into the filter or taken out."""

    value: str
    number: int
    url: str
    current: bool


def runs() -> APIBlueprint:
    """The blueprint of /runs."""
    bp = APIBlueprint("runs_page", __name__, enable_openapi=False)

    @bp.get("/runs")
    @bp.input(RunsQuery, location="query", arg_name="query")
    def list_runs(query: RunsQuery) -> Any:
        store = the_service().store
        columns, unknown = chosen(query.columns)
        wrong: dict[str, str] = {}
        narrow, order = _read(query, wrong)
        if unknown:
            wrong["columns"] = f"there are no columns {', '.join(unknown)}; known are {', '.join(COLUMNS)}"
        rows, more = store.browse_runs(narrow, order, limit=ROWS, offset=(query.page - 1) * ROWS)
        is_all = query.page == 1 and not more and order.field == "id"
        counted, counted_rows = _counted(store, narrow, rows, is_all=is_all)
        page = render_template(
            "runs.html",
            query=query,
            rows=rows,
            more=more,
            wrong=wrong,
            headings=[_heading(column, order) for column in columns],
            menu=[(column, here(columns=toggled(columns, column.name))) for column in COLUMNS.values()],
            shown={column.name for column in columns},
            facets={name: _chips(name, counted[name], query.filter) for name in FACETS if counted[name]},
            counted_rows=counted_rows,
            same=urlencode({"filter": query.filter, "sort": query.sort}),
            unfinished=store.count_unfinished(),
        )
        return page, 422 if wrong else 200

    return bp


def _read(query: RunsQuery, wrong: dict[str, str]) -> tuple[Any, Order]:
    """The filter and the order; of one that cannot be read, the usual one, and in `wrong` why."""
    narrow: Any = Every(())
    order = Order()
    try:
        narrow = parse(query.filter, RUNS)
    except FilterError as error:
        wrong["filter"] = str(error)
    try:
        order = parse_sort(query.sort, RUNS)
    except FilterError as error:
        wrong["sort"] = str(error)
    return narrow, order


def _counted(store: Store, narrow: Node, rows: list[ListedRun], *, is_all: bool) -> tuple[dict[str, Counter[str]], int]:
    """The facets; of a list that is shown whole they are counted here, which spares a second look at every run."""
    if is_all:
        return {name: Counter(row[name] for row in rows) for name in FACETS}, len(rows)
    return store.facets(narrow)


def _heading(column: Column, order: Order) -> Heading:
    if column.sort is None:
        return Heading(column, None, None)
    current = order.field == column.sort
    down = not order.down if current else column.numeric or column.sort in ("id", "finished")
    url = here(sort=f"-{column.sort}" if down else column.sort, page=None)
    return Heading(column, url, ("descending" if order.down else "ascending") if current else None)


def _chips(name: str, counted: Counter[str], text: str) -> list[Chip]:
    chips = []
    for value, number in sorted(counted.items(), key=lambda pair: (-pair[1], pair[0])):
        term = f"{name}:{value}"
        current = term in text.split()
        url = here(filter=with_term(text, name, None if current else term), page=None)
        chips.append(Chip(value, number, url, current))
    return chips


def with_term(text: str, name: str, term: str | None) -> str | None:
    """A filter with its plain terms of a field replaced by `term`, or taken out; None when nothing is left."""
    kept = " ".join(part for part in text.split() if not re.fullmatch(rf"{re.escape(name)}:[\w-]+", part))
    return " ".join(part for part in (kept, term) if part) or None
