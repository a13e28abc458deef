"""Runs: asked for, listed, looked at, cancelled."""

from __future__ import annotations

from apiflask import APIBlueprint
from pydantic import Field

from server.api.common import (
    ID,
    PREFIX,
    Body,
    Number,
    PageQuery,
    idempotency_key,
    problems,
    read_cursor,
    the_service,
    write_cursor,
)
from server.errors import ProblemError
from server.limits import faults_of
from server.schemas import MAX_ID, Model, Run, RunFilter
from server.states import RunState
from workers.spec import RunSpec


class RunCreate(Body, RunSpec):
    """The spec of a run. Only `protocol` is needed."""


class RunQuery(PageQuery):
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
        faults = list(faults_of(spec, service.settings))
        if faults:
            raise ProblemError(422, "invalid", "The spec asks for what this server does not run; see errors.", faults)
        run = service.store.create_run(spec, idempotency_key=idempotency_key(), max_queue=service.settings.max_queue)
        return run, 202, {"Location": f"{PREFIX}/runs/{run.id}"}

    @bp.get("")
    @bp.input(RunQuery, location="query", arg_name="query")
    @bp.output(RunPage, description="A page of runs.")
    @bp.doc(summary="List runs, newest first")
    def list_runs(query: RunQuery) -> RunPage:
        narrow = RunFilter(state=query.state, protocol=query.protocol, scenario=query.scenario, study=query.study)
        found, before = the_service().store.list_runs(narrow, limit=query.limit, before=read_cursor(query.cursor))
        return RunPage(items=found, next_cursor=write_cursor(before))

    @bp.get("/" + ID.format("run_id"))
    @bp.output(Run, description="The run.")
    @bp.doc(summary="Look at a run", responses=problems(404))
    def get_run(run_id: int) -> Run:
        return the_service().store.get_run(run_id)

    @bp.post("/" + ID.format("run_id") + "/cancel")
    @bp.output(Run, status_code=202, description="The run is cancelled, or will be within seconds.")
    @bp.doc(summary="Cancel a run", responses=problems(404, 409))
    def cancel_run(run_id: int) -> tuple[Run, int]:
        return the_service().store.cancel_run(run_id), 202

    return bp
