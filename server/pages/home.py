"""The first page: a race to start, what is running, and a comparison that is finished."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import redirect, render_template, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from server.api.common import the_service
from server.errors import Fault
from server.filters import RUNS, Order, parse
from server.guard import takes_form
from server.limits import faults_of
from server.pages.example import EXAMPLE, Examples
from server.pages.frame import PageQuery
from server.schemas import MAX_REPEATS, Arm
from server.store import QueueFullError, Store
from workers.catalogue import PROTOCOLS, SCENARIOS
from workers.spec import RunSpec

TRACES = ("cc1", "python")  # recordings that come with the checkout
RECENT = 8


class Race(BaseModel):
    """The form of the first page: two protocols, a scenario (`trace:NAME` for a recording), and how much of it."""

    model_config = ConfigDict(extra="forbid")

    baseline: str = Field("has_cache", max_length=64)
    candidate: str = Field("swap_cache", max_length=64)
    scenario: str = Field("trace:cc1", max_length=64)
    cpus: int = 2
    seconds: float = 1.0
    trials: int = Field(8, ge=1, le=MAX_REPEATS)

    def arms(self) -> list[Arm]:
        """The two arms. Raises pydantic's ValidationError, located by field."""
        scenario, _, trace = self.scenario.partition(":")
        body = {"scenario": scenario, "trace": trace or None, "cpus": self.cpus, "seconds": self.seconds}
        second = self.candidate if self.candidate != self.baseline else f"{self.candidate}.2"
        named = ((self.baseline, self.baseline), (second, self.candidate))
        return [Arm(name=name, spec=RunSpec.model_validate({**body, "protocol": p})) for name, p in named]


def scenarios() -> dict[str, str]:
    """What the form offers -> how it is called. A mix needs weights, which only the form of a run asks for."""
    plain = {name: name.replace("_", " ") for name in SCENARIOS if name not in ("mix", "trace")}
    return {**{f"trace:{name}": f"trace {name}" for name in TRACES}, **plain}


def home() -> APIBlueprint:
    """The blueprint of /."""
    bp = APIBlueprint("home", __name__, enable_openapi=False)
    examples = Examples()

    @bp.get("/")
    @bp.input(PageQuery, location="query", arg_name="query")
    def show_home(query: PageQuery) -> str:
        return _page(examples, {name: str(field.default) for name, field in Race.model_fields.items()}, {})

    @bp.post("/")
    @takes_form
    def start_race() -> Any:
        service, values = the_service(), request.form.to_dict()
        try:
            race = Race.model_validate(values)
            arms = race.arms()
        except ValidationError as error:
            return _page(examples, values, errors_by_field(error)), 422
        faults = [fault for fault in faults_of(arms[0].spec, service.settings) if fault.pointer != "#/protocol"]
        faults += _unknown_protocols(race)
        if faults:
            return _page(examples, values, _beside(faults)), 422
        name = f"{race.candidate} against {race.baseline}, {scenarios().get(race.scenario, race.scenario)}"
        try:
            study = service.store.create_study(arms, race.trials, name=name, max_queue=service.settings.max_queue)
        except QueueFullError as error:
            return _page(examples, values, {"": [str(error)]}), 429
        return redirect(f"/studies/{study.id}", 303)

    return bp


def _unknown_protocols(race: Race) -> list[Fault]:
    """Protocols that are none, by field: of the spec of one arm alone nobody can tell which of the two it is."""
    named = {"baseline": race.baseline, "candidate": race.candidate}
    known = ", ".join(PROTOCOLS)
    return [
        Fault(detail=f"there is no protocol {protocol!r}; known are {known}", pointer=f"#/{field}")
        for field, protocol in named.items()
        if protocol not in PROTOCOLS
    ]


def _beside(faults: list[Fault]) -> dict[str, list[str]]:
    """Field of the form -> what is wrong; '' for what the form has no field for."""
    found: dict[str, list[str]] = {}
    for fault in faults:
        field = (fault.pointer or "").removeprefix("#/")
        found.setdefault(field if field in Race.model_fields else "", []).append(fault.detail)
    return found


def errors_by_field(error: ValidationError) -> dict[str, list[str]]:
    """Field of the form -> what is wrong: errors of the form's own model, or of a spec made from it."""
    found: dict[str, list[str]] = {}
    for item in error.errors(include_url=False, include_input=False):
        field = next((str(part) for part in item["loc"] if part in Race.model_fields), "")
        found.setdefault(field, []).append(item["msg"].removeprefix("Value error, "))
    return found


def _recent(store: Store) -> list[Any]:
    return store.browse_runs(parse("", RUNS), Order(), limit=RECENT)[0]


def _page(examples: Examples, values: dict[str, str], errors: dict[str, list[str]]) -> str:
    store = the_service().store
    return render_template(
        "home.html",
        protocols=PROTOCOLS,
        scenarios=scenarios(),
        values=values,
        errors=errors,
        recent=_recent(store),
        unfinished=store.count_unfinished(),
        example=examples.newest(store),
        demo=EXAMPLE,
    )
