"""The museum: historical bugs, how soon each is found, and the diagram of each."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import render_template

from server.api.common import ID
from server.errors import ProblemError
from server.exploring.texts import replay_command
from server.museum.document import counterpart_text, in_order, law_of, search_text, seeds_text
from server.museum.record import STRATEGIES, Record, RecordError, read_record
from server.pages.frame import PageQuery
from server.store import NotFoundError
from workers.exhibits import EXHIBITS


def museum() -> APIBlueprint:
    """The blueprint of /museum."""
    bp = APIBlueprint("museum", __name__, url_prefix="/museum", enable_openapi=False)

    @bp.get("")
    @bp.input(PageQuery, location="query", arg_name="query")
    def list_exhibits(query: PageQuery) -> str:
        record = _record()
        rows = [(exhibit, record.of(exhibit.number) if record else None) for exhibit in in_order()]
        return render_template("museum.html", record=record, rows=rows, strategies=STRATEGIES, **_words())

    @bp.get("/" + ID.format("number"))
    @bp.input(PageQuery, location="query", arg_name="query")
    def show_exhibit(number: int, query: PageQuery) -> str:
        if number not in EXHIBITS:
            raise NotFoundError("exhibit", number)
        record = _record()
        numbers = [exhibit.number for exhibit in in_order()]
        at = numbers.index(number)
        return render_template(
            "exhibit.html",
            exhibit=EXHIBITS[number],
            played=record.of(number) if record else None,
            strategies=STRATEGIES,
            before=numbers[at - 1] if at > 0 else None,
            after=numbers[at + 1] if at + 1 < len(numbers) else None,
            **_words(),
        )

    return bp


def _record() -> Record | None:
    try:
        return read_record()
    except RecordError as error:
        raise ProblemError(500, "museum_unreadable", str(error)) from error


def _words() -> dict[str, Any]:
    return {
        "law_of": law_of,
        "search_text": search_text,
        "seeds_text": seeds_text,
        "counterpart_text": counterpart_text,
        "replay_command": replay_command,
    }
