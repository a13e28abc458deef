"""Studies: arms times repeats, how far each is, and the way to its comparison."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from apiflask import APIBlueprint
from flask import redirect, render_template
from pydantic import Field

from server.api.common import ID, Number, the_service
from server.filters import RUNS, STUDIES, FilterError, Order, parse
from server.filters.tree import Every, Node
from server.guard import takes_form
from server.pages.frame import PageQuery
from server.schemas import MAX_ID, Study
from server.states import TERMINAL

STUDY = "/studies/" + ID.format("study_id")
ROWS = 50
SHOWN_RUNS = 200  # the list of runs shows the rest


class StudiesQuery(PageQuery):
    """Which studies are listed, and where a page of them starts."""

    filter: str = Field("", max_length=2_000, description="docs/filters.md")
    before: Number | None = Field(None, ge=1, le=MAX_ID, description="studies with an id below this")


def studies() -> APIBlueprint:
    """The blueprint of /studies."""
    bp = APIBlueprint("studies_pages", __name__, enable_openapi=False)

    @bp.get("/studies")
    @bp.input(StudiesQuery, location="query", arg_name="query")
    def list_studies(query: StudiesQuery) -> tuple[str, int]:
        wrong = None
        where: Node = Every(())
        try:
            where = parse(query.filter, STUDIES)
        except FilterError as error:
            wrong = str(error)
        if query.before is not None:
            where = Every((where, parse(f"id<{query.before}", STUDIES)))
        found, following = the_service().store.list_studies(where=where, limit=ROWS)
        before = found[-1].id if following is not None else None
        page = render_template("studies.html", studies=found, before=before, query=query, wrong=wrong)
        return page, 422 if wrong else 200

    @bp.get(STUDY)
    @bp.input(PageQuery, location="query", arg_name="query")
    def show_study(study_id: int, query: PageQuery) -> str:
        study = the_service().store.get_study(study_id)
        return render_template("study.html", study=study, **_of_study(study))

    @bp.get(STUDY + "/progress")
    def show_progress(study_id: int) -> str:
        study = the_service().store.get_study(study_id)
        return render_template("study_progress.html", study=study, **_of_study(study))

    @bp.post(STUDY + "/cancel")
    @takes_form
    def cancel(study_id: int) -> Any:
        store = the_service().store
        store.cancel_study(store.get_study(study_id).id)
        return redirect(f"/studies/{study_id}", 303)

    return bp


def _of_study(study: Study) -> dict[str, Any]:
    store = the_service().store
    rows, more = store.browse_runs(parse(f"study:{study.id}", RUNS), Order(down=False), limit=SHOWN_RUNS)
    names = [arm.name for arm in study.arms]
    return {
        "rows": rows,
        "more": more,
        "done": sum(number for state, number in study.states.items() if state in TERMINAL),
        "pairs": list(combinations(names, 2)),
        "comparisons": store.comparisons_of_study(study.id),
    }
