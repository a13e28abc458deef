"""Baselines: named sets of runs that are over, to compare others against."""

from __future__ import annotations

from apiflask import APIBlueprint

from server.api.common import PREFIX, Body, PageQuery, idempotency_key, problems, read_cursor, the_service, write_cursor
from server.api.etags import expected
from server.schemas import Baseline, BaselineCreate, Model


class BaselineBody(Body, BaselineCreate):
    """A name, and the runs: by number, or as an arm of a study."""


class BaselinePage(Model):
    """Baselines, newest first."""

    items: list[Baseline]
    next_cursor: str | None


def baselines() -> APIBlueprint:
    """The blueprint of /baselines."""
    bp = APIBlueprint("baselines", __name__, url_prefix=f"{PREFIX}/baselines", tag="baselines")

    @bp.post("")
    @bp.input(BaselineBody, arg_name="body")
    @bp.output(Baseline, status_code=201, description="The baseline; Location is its address.")
    @bp.doc(summary="Keep runs as a baseline", responses=problems(404, 409))
    def create_baseline(body: BaselineBody) -> tuple[Baseline, int, dict[str, str]]:
        asked = BaselineCreate.model_validate(body.model_dump())
        made = the_service().store.create_baseline(asked, idempotency_key=idempotency_key())
        return made, 201, {"Location": f"{PREFIX}/baselines/{made.name}"}

    @bp.get("")
    @bp.input(PageQuery, location="query", arg_name="query")
    @bp.output(BaselinePage, description="A page of baselines.")
    @bp.doc(summary="List baselines, newest first")
    def list_baselines(query: PageQuery) -> BaselinePage:
        found, before = the_service().store.list_baselines(limit=query.limit, before=read_cursor(query.cursor))
        return BaselinePage(items=found, next_cursor=write_cursor(before))

    @bp.get("/<name>")
    @bp.output(Baseline, description="The baseline.")
    @bp.doc(summary="Look at a baseline", responses=problems(404))
    def get_baseline(name: str) -> Baseline:
        return the_service().store.get_baseline(name)

    @bp.delete("/<name>")
    @bp.output({}, status_code=204, description="The name is free; the runs stay.")
    @bp.doc(summary="Forget a baseline", responses=problems(404, 412))
    def delete_baseline(name: str) -> tuple[str, int]:
        the_service().store.delete_baseline(name, check=expected)
        return "", 204

    return bp
