"""Runs: asked for, listed, looked at, cancelled."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response
from pydantic import Field

from server.api.common import (
    ID,
    PREFIX,
    Body,
    ListQuery,
    Number,
    idempotency_key,
    listing,
    problems,
    the_service,
    write_position,
)
from server.api.etags import expected
from server.api.texts import page_of_texts
from server.filters import RUNS
from server.limits import refuse_unserved
from server.schemas import MAX_ID, Model, Run, RunFilter
from server.states import RunState
from workers.spec import RunSpec


class RunCreate(Body, RunSpec):
    """The spec of a run. Only `protocol` is needed."""


class RunQuery(ListQuery):
    """Filters of the list of runs; those given must all hold."""

    state: RunState | None = None
    protocol: str | None = Field(None, max_length=64)
    scenario: str | None = Field(None, max_length=64)
    study: Number | None = Field(None, ge=1, le=MAX_ID)


class RunPage(Model):
    """Runs, newest first."""

    items: list[Run]
    next_cursor: str | None


def runs() -> APIBlueprint:
    """The blueprint of /runs."""
    bp = APIBlueprint("runs", __name__, url_prefix=f"{PREFIX}/runs", tag="runs")

    @bp.post("")
    @bp.input(RunCreate, arg_name="body")
    @bp.output(Run, status_code=202, description="The run is queued; Location is its address.")
    @bp.doc(summary="Queue a run", responses=problems(429))
    def create_run(body: RunCreate) -> tuple[Run, int, dict[str, str]]:
        service = the_service()
        spec = RunSpec.model_validate(body.model_dump())
        refuse_unserved(spec, service.settings)
        run = service.store.create_run(spec, idempotency_key=idempotency_key(), max_queue=service.settings.max_queue)
        return run, 202, {"Location": f"{PREFIX}/runs/{run.id}"}

    @bp.get("")
    @bp.input(RunQuery, location="query", arg_name="query")
    @bp.output(RunPage, description="A page of runs.")
    @bp.doc(summary="List runs, newest first")
    def list_runs(query: RunQuery) -> Response:
        narrow = RunFilter(state=query.state, protocol=query.protocol, scenario=query.scenario, study=query.study)
        asked = listing(query, RUNS)
        found, after = the_service().store.run_texts(narrow, **asked)
        return page_of_texts(found, write_position(after, asked["order"]))

    @bp.get("/" + ID.format("run_id"))
    @bp.output(Run, description="The run.")
    @bp.doc(summary="Look at a run", responses=problems(404))
    def get_run(run_id: int) -> Run:
        return the_service().store.get_run(run_id)

    @bp.post("/" + ID.format("run_id") + "/cancel")
    @bp.output(Run, status_code=202, description="The run is cancelled, or will be within seconds.")
    @bp.doc(summary="Cancel a run", responses=problems(404, 409, 412))
    def cancel_run(run_id: int) -> tuple[Run, int]:
        return the_service().store.cancel_run(run_id, check=expected), 202

    @bp.post("/" + ID.format("run_id") + "/retry")
    @bp.output(Run, status_code=202, description="A new run of the same spec and seed is queued.")
    @bp.doc(summary="Repeat a run that is over", responses=problems(404, 409, 412, 429))
    def retry_run(run_id: int) -> tuple[Run, int, dict[str, str]]:
        service = the_service()

        def check(run: Run) -> None:
            expected(run)
            refuse_unserved(run.spec, service.settings)

        new = service.store.retry_run(
            run_id, check=check, idempotency_key=idempotency_key(), max_queue=service.settings.max_queue
        )
        return new, 202, {"Location": f"{PREFIX}/runs/{new.id}"}

    return bp
