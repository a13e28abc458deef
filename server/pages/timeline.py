"""One interleaving, step by step: from the replay of a finding, or from the trace rings of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apiflask import APIBlueprint
from flask import redirect, render_template, request
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict, Field

from server.api.common import ID, Number, the_service
from server.errors import ProblemError
from server.guard import takes_form
from server.pages.frame import PageQuery
from server.store import NotFoundError
from server.timeline.lanes import NARROW_LANES, WIDE_LANES, draw_lanes, slot_words, step_words
from server.timeline.story import Story
from workers.spec import RunSpec
from workers.timeline import MAX_STEPS

AROUND = 12  # steps of the list before and after the one that is looked at
SLOTS_OFFERED = 12


class StepQuery(PageQuery):
    """Which step is looked at, and which slot is followed."""

    step: Number | None = Field(
        None,
        ge=1,
        le=MAX_STEPS,
        description="steps count from 1, beyond the last is the last; None: where it starts to matter",
    )
    slot: str | None = Field(None, pattern=r"^\d{1,3}:\d{1,12}$", description="device:offset; None: the busiest one")


@dataclass(frozen=True)
class Shown:
    """What a timeline is of: its name, its own page, the timeline's page, and its JSON."""

    name: str
    url: str
    address: str
    json: str


class ReplayForm(BaseModel):
    """A finding to replay: the place of a broken law among the violations of its run, from 1."""

    model_config = ConfigDict(extra="forbid")

    run: Number = Field(ge=1)
    violation: Number = Field(ge=1)


def timeline() -> APIBlueprint:
    """The blueprint of /timeline."""
    bp = APIBlueprint("timeline", __name__, url_prefix="/timeline", enable_openapi=False)

    @bp.get("")
    @bp.input(PageQuery, location="query", arg_name="query")
    def list_timelines(query: PageQuery) -> str:
        store = the_service().store
        return render_template("timelines.html", entries=store.list_timelines(), replayable=store.list_replayable())

    @bp.get("/runs/" + ID.format("run_id"))
    @bp.input(StepQuery, location="query", arg_name="query")
    def show_timeline(run_id: int, query: StepQuery) -> str:
        store = the_service().store
        run = store.get_run(run_id)
        if not run.finished:
            return render_template("timeline_waits.html", run=run)
        try:
            story = Story(store.timeline_of(run_id))
        except NotFoundError:
            return render_template("timeline_none.html", run=run)
        if not story.steps:
            return render_template("timeline_none.html", run=run)
        of = Shown(f"run {run_id}", f"/runs/{run_id}", f"/timeline/runs/{run_id}", f"/api/v1/runs/{run_id}/timeline")
        return render_template("timeline.html", of=of, **look(of, story, query))

    @bp.get("/explorations/" + ID.format("exploration_id") + "/<int(max=1000):number>")
    @bp.input(StepQuery, location="query", arg_name="query")
    def show_finding(exploration_id: int, number: int, query: StepQuery) -> str:
        story = Story(the_service().store.finding_timeline(exploration_id, number))
        place = f"/explorations/{exploration_id}"
        of = Shown(
            f"finding {number} of exploration {exploration_id}",
            f"{place}#finding-{number}",
            f"/timeline{place}/{number}",
            f"/api/v1{place}/findings/{number}/timeline",
        )
        return render_template("timeline.html", of=of, **look(of, story, query))

    @bp.post("/replays")
    @takes_form
    def replay() -> Any:
        service = the_service()
        asked = _read(request.form.to_dict())
        source = service.store.get_run(asked.run)
        found = service.store.violations_of(asked.run)
        violation = found[asked.violation - 1] if asked.violation <= len(found) else None
        if violation is None or violation.schedule is None:
            raise NotFoundError("schedule", f"of violation {asked.violation} of run {asked.run}")
        how = source.spec.cooperative.model_copy(
            update={"scheduler": "replay", "schedule": violation.schedule, "schedules": 1}
        )
        spec = RunSpec.model_validate(source.spec.model_copy(update={"cooperative": how}).model_dump())
        key = f"replay-{asked.run}-{asked.violation}"
        again = service.store.create_run(spec, idempotency_key=key, max_queue=service.settings.max_queue)
        return redirect(f"/timeline/runs/{again.id}", 303)

    return bp


def _read(form: dict[str, str]) -> ReplayForm:
    try:
        return ReplayForm.model_validate(form)
    except ValueError as error:
        raise ProblemError(422, "invalid", "Name the run and the violation to replay, each by its number.") from error


def look(of: Shown, story: Story, query: StepQuery) -> dict[str, Any]:
    """What the page shows of one step."""
    number = min(query.step or story.start + 1, len(story.steps))
    at = number - 1
    slot = query.slot if query.slot in story.slots else next(iter(story.slots), None)
    theme = f"&theme={query.theme}" if query.theme else ""

    def address(step: int, of_slot: str | None = slot) -> str:
        return f"{of.address}?step={step}" + (f"&slot={of_slot}" if of_slot else "") + theme

    pattern = address(0).replace("step=0", "step={}")
    before, after = (story.next_change(slot, at, forward=way) if slot else None for way in (False, True))
    rows = range(max(0, at - AROUND), min(len(story.steps), at + AROUND + 1))
    state = story.slot_at(slot, at) if slot else None
    return {
        "timeline": story.timeline,
        "number": number,
        "count": len(story.steps),
        "step": story.steps[at],
        "words": step_words(story.steps[at]),
        "drawing": Markup(
            "".join(draw_lanes(story, slot, at, form, pattern).inline() for form in (WIDE_LANES, NARROW_LANES))
        ),
        "rows": [(place + 1, story.steps[place], step_words(story.steps[place])) for place in rows],
        "slot": slot,
        "slots": story.slots[:SLOTS_OFFERED],
        "slot_words": slot_words(state) if state else [],
        "folios": story.folios_at(at),
        "going_on": story.going_on(at),
        "address": address,
        "earlier": None if before is None else before + 1,
        "later": None if after is None else after + 1,
        "state_words": slot_words,
    }
