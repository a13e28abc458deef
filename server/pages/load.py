"""Load tests: how one is started, and what those that are stored have measured."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import render_template
from pydantic import Field

from server.api.common import ID, Number, the_service
from server.pages.frame import PageQuery
from server.schemas import MAX_ID

ROWS = 50


class LoadQuery(PageQuery):
    """Where a page of the list starts."""

    before: Number | None = Field(None, ge=1, le=MAX_ID, description="load tests with a number below this")


def load() -> APIBlueprint:
    """The blueprint of /load."""
    bp = APIBlueprint("load", __name__, enable_openapi=False)

    @bp.get("/load")
    @bp.input(LoadQuery, location="query", arg_name="query")
    def list_load_tests(query: LoadQuery) -> str:
        service = the_service()
        tests, before = service.store.list_load_tests(limit=ROWS, before=query.before)
        server = f"http://{service.settings.host}:{service.settings.port}"
        return render_template("load.html", tests=tests, before=before, server=server)

    @bp.get("/load/" + ID.format("load_test_id"))
    @bp.input(PageQuery, location="query", arg_name="query")
    def show_load_test(load_test_id: int, query: PageQuery) -> str:
        return render_template("load_test.html", test=the_service().store.get_load_test(load_test_id))

    return bp
