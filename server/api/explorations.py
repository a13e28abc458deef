"""Explorations: asked for, listed, looked at, cancelled; and what each has found."""

from __future__ import annotations

from typing import Literal

from apiflask import APIBlueprint
from flask import Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field

from server.api.common import (
    ID,
    PREFIX,
    Body,
    ListQuery,
    Responses,
    idempotency_key,
    listing,
    problems,
    the_service,
    write_position,
)
from server.api.etags import expected
from server.exploring.names import refuse_unserved
from server.exploring.schemas import Exploration, Finding
from server.exploring.texts import mail_of, markdown_of
from server.filters import EXPLORATIONS
from server.schemas import Model
from workers.exploration import ExplorationSpec
from workers.timeline import Timeline

NUMBER = "<int(max=1000):number>"
Format = Literal["json", "markdown", "text"]
MEDIA_TYPES: dict[Format, str] = {"json": "application/json", "markdown": "text/markdown", "text": "text/plain"}
DOCUMENTS: Responses = {
    200: {
        "description": "The finding, in the format that is asked for or accepted.",
        "content": {
            "application/json": {"schema": Finding.model_json_schema(mode="serialization")},
            "text/markdown": {"schema": {"type": "string", "description": "law, diagram and replay"}},
            "text/plain": {
                "schema": {"type": "string", "description": "the same for a mail: the diagram in 72 columns"}
            },
        },
    }
}


class ExplorationCreate(Body, ExplorationSpec):
    """What to explore. Only `protocol` and `scenario` are needed."""


class ExplorationPage(Model):
    """Explorations, newest first."""

    items: list[Exploration]
    next_cursor: str | None


class FindingQuery(BaseModel):
    """How to write a finding; what the client accepts decides when it is not told."""

    model_config = ConfigDict(extra="forbid")

    format: Format | None = Field(None, description="json, markdown or text")


def _asked_for() -> Format:
    best = request.accept_mimetypes.best_match(list(MEDIA_TYPES.values()), default="application/json")
    return next(form for form, media in MEDIA_TYPES.items() if media == best)


def explorations() -> APIBlueprint:
    """The blueprint of /explorations."""
    bp = APIBlueprint("explorations", __name__, url_prefix=f"{PREFIX}/explorations", tag="explorations")
    one = "/" + ID.format("exploration_id")

    @bp.post("")
    @bp.input(ExplorationCreate, arg_name="body")
    @bp.output(Exploration, status_code=202, description="The exploration is queued; Location is its address.")
    @bp.doc(summary="Queue an exploration", responses=problems(429))
    def create_exploration(body: ExplorationCreate) -> tuple[Exploration, int, dict[str, str]]:
        service = the_service()
        spec = ExplorationSpec.model_validate(body.model_dump())
        refuse_unserved(spec, service.settings)
        kept = service.store.create_exploration(
            spec, idempotency_key=idempotency_key(), max_queue=service.settings.max_queue
        )
        return kept, 202, {"Location": f"{PREFIX}/explorations/{kept.id}"}

    @bp.get("")
    @bp.input(ListQuery, location="query", arg_name="query")
    @bp.output(ExplorationPage, description="A page of explorations.")
    @bp.doc(summary="List explorations, newest first")
    def list_explorations(query: ListQuery) -> ExplorationPage:
        asked = listing(query, EXPLORATIONS)
        found, after = the_service().store.list_explorations(**asked)
        return ExplorationPage(items=found, next_cursor=write_position(after, asked["order"]))

    @bp.get(one)
    @bp.output(Exploration, description="The exploration.")
    @bp.doc(summary="Look at an exploration", responses=problems(404))
    def get_exploration(exploration_id: int) -> Exploration:
        return the_service().store.get_exploration(exploration_id)

    @bp.post(one + "/cancel")
    @bp.output(Exploration, status_code=202, description="The exploration is cancelled, or will be within seconds.")
    @bp.doc(summary="Cancel an exploration", responses=problems(404, 409, 412))
    def cancel_exploration(exploration_id: int) -> tuple[Exploration, int]:
        return the_service().store.cancel_exploration(exploration_id, check=expected), 202

    _findings(bp, one + "/findings/" + NUMBER)
    return bp


def _findings(bp: APIBlueprint, one: str) -> None:
    @bp.get(one)
    @bp.input(FindingQuery, location="query", arg_name="query")
    @bp.doc(summary="Look at a finding, as JSON, Markdown or text", responses={**DOCUMENTS, **problems(404)})
    def get_finding(exploration_id: int, number: int, query: FindingQuery) -> Response:
        finding = the_service().store.finding_of(exploration_id, number)
        form = query.format or _asked_for()
        if form == "json":
            response = jsonify(finding.model_dump(mode="json"))
        else:
            written = markdown_of(finding) if form == "markdown" else mail_of(finding)
            response = Response(written, mimetype=MEDIA_TYPES[form])
        response.headers["Vary"] = "Accept"
        return response

    @bp.get(one + "/timeline")
    @bp.output(Timeline, description="The interleaving; docs/timeline-format.md has its fields.")
    @bp.doc(summary="A finding, step by step", responses=problems(404))
    def get_finding_timeline(exploration_id: int, number: int) -> Timeline:
        return the_service().store.finding_timeline(exploration_id, number)
