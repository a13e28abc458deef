"""One run: while it lives how far it is, and after its end what came out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from apiflask import APIBlueprint
from flask import Response, redirect, render_template, request
from pydantic import Field

from server.api.common import ID, the_service
from server.api.runs import refuse_unserved
from server.charts.svg import STYLE
from server.guard import takes_form
from server.pages import plots
from server.pages.assets import PLOTLY
from server.pages.forms import values_of_spec
from server.pages.frame import PageQuery
from server.pages.progress import moments, thinned
from server.reproducer import Replay, reproducer_of
from server.schemas import Run
from server.states import LIVE
from server.store import NotFoundError
from workers.outcome import Violation

RUN = "/runs/" + ID.format("run_id")
RECENT_SAMPLES = 600  # of a living run: ten minutes
ALL_SAMPLES = 3_600  # the longest run
TABS = {"result": "Result", "time": "Over time", "environment": "Environment", "attempts": "Attempts"}


class RunQuery(PageQuery):
    """Which part of a finished run is shown."""

    tab: Literal["result", "time", "environment", "attempts"] = Field("result", description="part of the page")


def run() -> APIBlueprint:
    """The blueprint of /runs/N."""
    bp = APIBlueprint("run", __name__, enable_openapi=False)

    @bp.get(RUN)
    @bp.input(RunQuery, location="query", arg_name="query")
    def show_run(run_id: int, query: RunQuery) -> str:
        found = the_service().store.get_run(run_id)
        if not found.finished:
            return render_template("run_live.html", run=found, **_progress(found))
        return render_template("run.html", run=found, tab=query.tab, tabs=TABS, **_of_tab(found, query.tab))

    @bp.get(RUN + "/progress")
    def show_progress(run_id: int) -> str:
        found = the_service().store.get_run(run_id)
        return render_template("run_progress.html", run=found, **_progress(found))

    @bp.get(RUN + "/plots/<name>.<form>")
    def plot(run_id: int, name: str, form: str) -> Response:
        found = the_service().store.get_run(run_id)
        drawn = plots.of_run(found, the_service().store, name, ALL_SAMPLES)
        if drawn is None or form not in ("svg", "csv"):
            raise NotFoundError("plot", f"{name}.{form} of run {run_id}")
        if form == "csv":
            return Response(drawn.csv(), mimetype="text/csv")
        return Response(drawn.file(STYLE.read_text(encoding="utf-8")), mimetype="image/svg+xml")

    @bp.post(RUN + "/retry")
    @takes_form
    def retry(run_id: int) -> Any:
        service = the_service()
        again = service.store.retry_run(
            run_id,
            check=lambda run: refuse_unserved(run.spec, service.settings),
            max_queue=service.settings.max_queue,
        )
        return redirect(f"/runs/{again.id}", 303)

    @bp.post(RUN + "/cancel")
    @takes_form
    def cancel(run_id: int) -> Any:
        the_service().store.cancel_run(run_id)
        return redirect(f"/runs/{run_id}", 303)

    return bp


def _progress(run: Run) -> dict[str, Any]:
    """What the page of a living run shows."""
    store = the_service().store
    told = moments(store.recent_samples(run.id, RECENT_SAMPLES))
    return {
        "moments": told,
        "now": told[-1] if told else None,
        "plots": plots.over_time(thinned(told)) if len(told) > 1 else [],
        "strip": plots.cpu_strip(told) if len(told) > 1 and run.executor == "processes" else None,
        "ahead": store.place_in_queue(run.id) if run.state == "queued" else 0,
        "live": run.state in LIVE,
    }


def _of_tab(run: Run, tab: str) -> dict[str, Any]:
    store = the_service().store
    if tab == "time":
        told = moments(store.recent_samples(run.id, ALL_SAMPLES))
        strip = plots.cpu_strip(told) if len(told) > 1 and run.executor == "processes" else None
        return {
            "moments": told,
            "plotly": PLOTLY,
            "plots": plots.over_time(thinned(told)) if told else [],
            "strip": strip,
        }
    if tab in ("environment", "attempts"):
        return {"attempts": store.attempts_of(run.id), "values": values_of_spec(run.spec)}
    result = store.results_of([run.id])[0]
    reproducer = reproducer_of(run.spec, result.environment, result.violations, request.host_url.rstrip("/"))
    return {
        "histograms": result.histograms,
        "latency": plots.latency(run, result.histograms),
        "waits": plots.waits(run, result.histograms),
        "violations": _with_replays(result.violations, reproducer.replays),
        "reproducer": reproducer,
    }


def _with_replays(violations: Sequence[Violation], replays: Sequence[Replay]) -> list[tuple[Violation, Replay | None]]:
    """Each violation beside the commands that replay it; None for one without a schedule."""
    found = iter(replays)
    return [(violation, next(found) if violation.schedule else None) for violation in violations]
