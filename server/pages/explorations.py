"""Explorations: the list with a form to start one, and each with what it found or covered."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import redirect, render_template, request
from pydantic import Field, ValidationError

from server.api.common import ID, Number, the_service
from server.errors import Fault, pointer_of
from server.exploring.names import faults_of, known_protocols
from server.exploring.schemas import Exploration
from server.exploring.texts import beside, explore_command, headline, how_found, replay_command
from server.filters import EXPLORATIONS, FilterError, parse
from server.filters.tree import Every, Node
from server.guard import takes_form
from server.pages.frame import PageQuery
from server.schemas import MAX_ID
from server.store import QueueFullError
from workers.exploration import ExplorationSpec
from workers.races import RACES

EXPLORATION = "/explorations/" + ID.format("exploration_id")
ROWS = 50
STRATEGIES = ("portfolio", "random", "pct", "pos", "bound", "dpor")
NUMBERS = {"seconds": "10", "seed": "1"}
FORM = {"protocol": "swap_cache_as_posted", "scenario": "memcg_exit", "strategy": "portfolio", **NUMBERS}


class ExplorationsQuery(PageQuery):
    """Which explorations are listed, where a page of them starts, and what the form holds."""

    filter: str = Field("", max_length=2_000, description="docs/filters.md")
    before: Number | None = Field(None, ge=1, le=MAX_ID, description="explorations with an id below this")
    protocol: str | None = Field(None, max_length=64, description="fills the form in")
    scenario: str | None = Field(None, max_length=64, description="fills the form in")


def explorations() -> APIBlueprint:
    """The blueprint of /explorations."""
    bp = APIBlueprint("explorations_pages", __name__, enable_openapi=False)

    @bp.get("/explorations")
    @bp.input(ExplorationsQuery, location="query", arg_name="query")
    def list_explorations(query: ExplorationsQuery) -> tuple[str, int]:
        given = {"protocol": query.protocol, "scenario": query.scenario}
        values = {**FORM, **{name: value for name, value in given.items() if value is not None}}
        return _list(query, values, {})

    @bp.post("/explorations")
    @takes_form
    def create_exploration() -> Any:
        service, values = the_service(), {**FORM, **request.form.to_dict()}
        errors: dict[str, list[str]] = {}
        try:
            spec = ExplorationSpec.model_validate(_read(values))
            errors = _beside(list(faults_of(spec, service.settings)))
        except ValidationError as error:
            errors = _beside([Fault(detail=each["msg"], pointer=pointer_of(each["loc"])) for each in error.errors()])
        if errors:
            return _list(ExplorationsQuery(), values, errors, 422)
        try:
            kept = service.store.create_exploration(spec, max_queue=service.settings.max_queue)
        except QueueFullError as error:
            return _list(ExplorationsQuery(), values, {"": [str(error)]}, 429)
        return redirect(f"/explorations/{kept.id}", 303)

    @bp.get(EXPLORATION)
    @bp.input(PageQuery, location="query", arg_name="query")
    def show_exploration(exploration_id: int, query: PageQuery) -> str:
        return render_template("exploration.html", **_told(the_service().store.get_exploration(exploration_id)))

    @bp.get(EXPLORATION + "/progress")
    def show_progress(exploration_id: int) -> str:
        exploration = the_service().store.get_exploration(exploration_id)
        return render_template("exploration_progress.html", **_told(exploration))

    @bp.post(EXPLORATION + "/cancel")
    @takes_form
    def cancel(exploration_id: int) -> Any:
        the_service().store.cancel_exploration(exploration_id)
        return redirect(f"/explorations/{exploration_id}", 303)

    return bp


def _list(
    query: ExplorationsQuery, values: dict[str, str], errors: dict[str, list[str]], status: int = 200
) -> tuple[str, int]:
    wrong = None
    where: Node = Every(())
    try:
        where = parse(query.filter, EXPLORATIONS)
    except FilterError as error:
        wrong, status = str(error), 422
    if query.before is not None:
        where = Every((where, parse(f"id<{query.before}", EXPLORATIONS)))
    found, following = the_service().store.list_explorations(where=where, limit=ROWS)
    page = render_template(
        "explorations.html",
        explorations=found,
        before=found[-1].id if following is not None else None,
        query=query,
        wrong=wrong,
        values=values,
        errors=errors,
        protocols=known_protocols(),
        races=RACES,
        strategies=STRATEGIES,
        plays=the_service().settings.explorations > 0,
    )
    return page, status


def _read(values: dict[str, str]) -> dict[str, Any]:
    """The form as a spec takes it; a number that is none is left for the spec to refuse."""
    body: dict[str, Any] = {}
    for name, text in values.items():
        given = text.strip()
        if given or name not in NUMBERS:
            body[name] = given
    return body


def _beside(faults: list[Fault]) -> dict[str, list[str]]:
    """Field of the form -> what is wrong; '' for what the form has no field for."""
    found: dict[str, list[str]] = {}
    for fault in faults:
        field = (fault.pointer or "").removeprefix("#/")
        found.setdefault(field if field in FORM else "", []).append(fault.detail)
    return found


def _told(exploration: Exploration) -> dict[str, Any]:
    """What the page of an exploration shows."""
    store = the_service().store
    wanted, far = exploration.spec.seconds, exploration.schedules if exploration.seconds else 0
    return {
        "exploration": exploration,
        "race": RACES.get(exploration.scenario),
        "findings": [store.finding_of(exploration.id, each.number) for each in exploration.findings],
        "share": min(1.0, exploration.seconds / wanted) if wanted else None,
        "command": explore_command(exploration.spec),
        "rate": exploration.schedules_per_second or (far / exploration.seconds if far else None),
        "beside": beside,
        "headline": headline,
        "how_found": how_found,
        "replay_command": replay_command,
    }
