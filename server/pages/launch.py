"""Asking for a run: a form of everything that a spec may say, with what is wrong beside the field."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import redirect, render_template, request
from pydantic import Field, ValidationError, create_model

from server.api.common import Number, the_service
from server.guard import takes_form
from server.limits import faults_of
from server.pages.forms import (
    errors_of,
    errors_of_faults,
    form_groups,
    known_name,
    read_form,
    spec_fields,
    values_of_spec,
)
from server.pages.frame import PageQuery
from server.schemas import MAX_ID
from server.store import QueueFullError
from workers.spec import RunSpec

MAX_VALUE = 200_000  # characters of the longest field, a recorded schedule

# The address may fill the form in: a field by its dotted path, or all of them like those of another run.
_PREFILLED: dict[str, Any] = {
    "like": (Number | None, Field(None, ge=1, le=MAX_ID, description="run whose spec fills the form in")),
    **{
        field.name.replace(".", "__"): (str | None, Field(None, alias=field.name, max_length=MAX_VALUE))
        for field in spec_fields()
    },
}
LaunchQuery = create_model("LaunchQuery", __base__=PageQuery, **_PREFILLED)


def launch() -> APIBlueprint:
    """The blueprint of /runs/new."""
    bp = APIBlueprint("launch", __name__, enable_openapi=False)

    @bp.get("/runs/new")
    @bp.input(LaunchQuery, location="query", arg_name="query")
    def show_form(query: Any) -> str:
        given = query.model_dump(by_alias=True, exclude_none=True, exclude={"theme", "like"})
        like = values_of_spec(the_service().store.get_run(query.like).spec) if query.like is not None else {}
        return _form({**like, **given}, {})

    @bp.post("/runs/new")
    @takes_form
    def create_run() -> Any:
        service, values = the_service(), request.form.to_dict()
        errors = _unknown(values)
        try:
            spec = RunSpec.model_validate(read_form(values))
            errors |= errors_of_faults(list(faults_of(spec, service.settings)))
        except ValidationError as error:
            errors |= errors_of(error)
        if errors:
            return _form(values, errors), 422
        try:
            run = service.store.create_run(spec, max_queue=service.settings.max_queue)
        except QueueFullError as error:
            return _form(values, {"": [f"{error}: ask again when some have ended"]}), 429
        return redirect(f"/runs/{run.id}", 303)

    return bp


def _unknown(values: dict[str, str]) -> dict[str, list[str]]:
    strange = sorted(name for name in values if known_name(name) != name)
    return {"": [f"the form has no field {name!r}" for name in strange]} if strange else {}


def _form(values: dict[str, str], errors: dict[str, list[str]]) -> str:
    filled = {
        field.name: values.get(field.name, "" if values and field.kind == "check" else field.default)
        for field in spec_fields()
    }
    return render_template("run_new.html", groups=form_groups(filled, errors), values=filled, errors=errors)
