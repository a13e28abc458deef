"""The timeline of a run: one interleaving, step by step."""

from __future__ import annotations

from apiflask import APIBlueprint

from server.api.common import ID, PREFIX, problems, the_service
from workers.timeline import Timeline


def timelines() -> APIBlueprint:
    """The blueprint of /runs/{id}/timeline."""
    bp = APIBlueprint("timelines", __name__, url_prefix=f"{PREFIX}/runs/" + ID.format("run_id"), tag="results")

    @bp.get("/timeline")
    @bp.output(Timeline, description="The interleaving; docs/timeline-format.md has its fields.")
    @bp.doc(summary="One interleaving of a run, step by step", responses=problems(404))
    def get_timeline(run_id: int) -> Timeline:
        return the_service().store.timeline_of(run_id)

    return bp
