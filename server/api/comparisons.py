"""Comparisons: made once from finished runs, and kept."""

from __future__ import annotations

from apiflask import APIBlueprint

from server.api.common import (
    ID,
    PREFIX,
    Body,
    PageQuery,
    idempotency_key,
    problems,
    read_cursor,
    the_service,
    write_cursor,
)
from server.figures import make_comparison
from server.schemas import ComparisonCreate, Model, StoredComparison


class ComparisonBody(Body, ComparisonCreate):
    """Two arms of a study by name, or two lists of run ids."""


class ComparisonPage(Model):
    """Comparisons, newest first."""

    items: list[StoredComparison]
    next_cursor: str | None


def comparisons() -> APIBlueprint:
    """The blueprint of /comparisons."""
    bp = APIBlueprint("comparisons", __name__, url_prefix=f"{PREFIX}/comparisons", tag="comparisons")

    @bp.post("")
    @bp.input(ComparisonBody, arg_name="body")
    @bp.output(StoredComparison, status_code=201, description="The comparison; Location is its address.")
    @bp.doc(summary="Compare finished runs", responses=problems(404, 409))
    def create_comparison(body: ComparisonBody) -> tuple[StoredComparison, int, dict[str, str]]:
        asked = ComparisonCreate.model_validate(body.model_dump())
        stored = make_comparison(the_service().store, asked, idempotency_key=idempotency_key())
        return stored, 201, {"Location": f"{PREFIX}/comparisons/{stored.id}"}

    @bp.get("")
    @bp.input(PageQuery, location="query", arg_name="query")
    @bp.output(ComparisonPage, description="A page of comparisons.")
    @bp.doc(summary="List comparisons, newest first")
    def list_comparisons(query: PageQuery) -> ComparisonPage:
        found, before = the_service().store.list_comparisons(limit=query.limit, before=read_cursor(query.cursor))
        return ComparisonPage(items=found, next_cursor=write_cursor(before))

    @bp.get("/" + ID.format("comparison_id"))
    @bp.output(StoredComparison, description="The comparison as it was made.")
    @bp.doc(summary="Look at a comparison", responses=problems(404))
    def get_comparison(comparison_id: int) -> StoredComparison:
        return the_service().store.get_comparison(comparison_id)

    return bp
