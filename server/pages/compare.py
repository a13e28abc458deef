"""Two arms side by side: chosen by the address, compared on the spot, and kept when somebody wants to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from apiflask import APIBlueprint
from flask import Response, redirect, render_template, request
from pydantic import Field, ValidationError

from server.api.common import ID, Number, the_service
from server.compare.wording import LABELS
from server.documents import document_of, told_apart
from server.errors import Fault, ProblemError, faults_of_validation
from server.figures import figures_of, make_comparison
from server.guard import takes_form
from server.pages.frame import PageQuery
from server.schemas import MAX_ID, ComparisonCreate, StoredComparison
from server.store import ConflictError, Store

if TYPE_CHECKING:
    from server.compare import RunFigures
    from server.compare.plots import Plots

LISTED = 50
RUN_LIST = r"^[0-9]{1,19}(-[0-9]{1,19})?( *[, ] *[0-9]{1,19}(-[0-9]{1,19})?)*$"
MEDIA = {"svg": "image/svg+xml", "csv": "text/csv"}
FORMATS = (
    ("Mail", "mail"),
    ("Markdown", "markdown"),
    ("CSV", "csv"),
    ("JSON", "json"),
    ("HTML file", "html"),
)
CHOICE = ("study", "baseline", "candidate", "baseline_runs", "candidate_runs")


class ChoiceQuery(PageQuery):
    """Which arms: two of a study by name, or two lists of runs."""

    study: Number | None = Field(None, ge=1, le=MAX_ID)
    baseline: str | None = Field(None, max_length=64)
    candidate: str | None = Field(None, max_length=64)
    baseline_runs: str | None = Field(None, max_length=4_000, description="ids and ranges: 1, 2, 7-9")
    candidate_runs: str | None = Field(None, max_length=4_000)

    @property
    def complete(self) -> bool:
        """Whether it names two sides; an empty field of a form names nothing."""
        return bool(self.study and self.baseline and self.candidate) or bool(self.baseline_runs and self.candidate_runs)

    def address(self, path: str = "/compare") -> str:
        """The address that says the same."""
        given = {name: getattr(self, name) for name in CHOICE}
        return f"{path}?{urlencode({name: value for name, value in given.items() if value})}"


@dataclass(frozen=True)
class Sides:
    """Two arms with their names, and all that is shown of them."""

    plots: Plots
    violations: dict[str, list[Any]]


def compare() -> APIBlueprint:
    """The blueprint of /compare and /comparisons."""
    bp = APIBlueprint("compare_pages", __name__, enable_openapi=False)

    @bp.get("/compare")
    @bp.input(ChoiceQuery, location="query", arg_name="query")
    def choose(query: ChoiceQuery) -> Any:
        store = the_service().store
        if not query.complete:
            return _chooser(store, query)
        try:
            sides = _sides_of_choice(store, query)
        except ConflictError as error:
            return _chooser(store, query, wrong=str(error)), 409
        return _page(sides, query=query, stored=None)

    @bp.get("/compare/plots/<name>.<kind>")
    @bp.input(ChoiceQuery, location="query", arg_name="query")
    def plot_of_choice(name: str, kind: str, query: ChoiceQuery) -> Response:
        return _plot(_sides_of_choice(the_service().store, query).plots, name, kind)

    @bp.post("/comparisons")
    @takes_form
    def keep() -> Any:
        form = {name: value for name, value in request.form.items() if value}
        try:
            query = ChoiceQuery.model_validate(form)
        except ValidationError as error:
            raise ProblemError(
                422, "invalid", "The form has faults.", faults_of_validation(error, in_query=True)
            ) from error
        stored = make_comparison(
            the_service().store, _asked(query), idempotency_key=f"page-{abs(hash_of(query.address())):x}"
        )
        return redirect(f"/comparisons/{stored.id}", 303)

    _stored_pages(bp)
    return bp


def _stored_pages(bp: APIBlueprint) -> None:
    @bp.get("/comparisons/" + ID.format("comparison_id"))
    @bp.input(PageQuery, location="query", arg_name="query")
    def show(comparison_id: int, query: PageQuery) -> str:
        store = the_service().store
        stored = store.get_comparison(comparison_id)
        return _page(_sides_of_stored(store, stored), query=None, stored=stored)

    @bp.get("/comparisons/" + ID.format("comparison_id") + "/plots/<name>.<kind>")
    def plot_of_stored(comparison_id: int, name: str, kind: str) -> Response:
        store = the_service().store
        return _plot(_sides_of_stored(store, store.get_comparison(comparison_id)).plots, name, kind)


def hash_of(text: str) -> int:
    """A number that stands for a text, the same in every process."""
    import hashlib

    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:12])


def _page(sides: Sides, *, query: ChoiceQuery | None, stored: StoredComparison | None) -> str:
    from server.compare.report import render_body

    def link_to(plot: str, kind: str) -> str:
        if stored is not None:
            return f"/comparisons/{stored.id}/plots/{plot}.{kind}"
        assert query is not None
        return query.address(f"/compare/plots/{plot}.{kind}")

    names = list(sides.plots.arms)
    return render_template(
        "comparison.html",
        names=names,
        body=render_body(sides.plots, violations=sides.violations, link_to=link_to, run_url=lambda i: f"/runs/{i}"),
        stored=stored,
        formats=FORMATS,
        **(_texts(stored) if stored is not None else {}),
        keep={name: getattr(query, name) for name in CHOICE if getattr(query, name)} if query else {},
    )


def _texts(stored: StoredComparison) -> dict[str, str]:
    """The comparison as blocks to copy."""
    url = f"{request.host_url.rstrip('/')}/comparisons/{stored.id}"
    store = the_service().store
    return {
        "mail": document_of(store, stored, "mail", url=url),
        "markdown": document_of(store, stored, "markdown", url=url),
    }


def _plot(plots: Plots, name: str, kind: str) -> Response:
    from server.compare.plots import PLOTS

    if name not in PLOTS or kind not in MEDIA:
        raise ProblemError(
            404, "not_found", f"There is no plot {name}.{kind}; there are {', '.join(PLOTS)}, .svg or .csv."
        )
    text = plots.file(name) if kind == "svg" else plots.csv(name)
    return Response(text, mimetype=MEDIA[kind])


def _chooser(store: Store, query: ChoiceQuery, wrong: str | None = None) -> str:
    studies, _ = store.list_studies(limit=LISTED)
    comparisons, _ = store.list_comparisons(limit=LISTED)
    return render_template(
        "compare.html",
        query=query,
        wrong=wrong,
        study=store.get_study(query.study) if query.study else None,
        studies=[study for study in studies if len(study.arms) > 1],
        comparisons=comparisons,
        labels=LABELS,
    )


def run_ids(parameter: str, text: str) -> list[int]:
    """Ids of a text such as `1, 2, 7-9`. Raises ProblemError that names the parameter."""
    if not re.fullmatch(RUN_LIST, text.strip()):
        fault = Fault(parameter=parameter, detail="write ids of runs and ranges of them: 1, 2, 7-9")
        raise ProblemError(422, "invalid", f"{text!r} is no list of runs.", [fault])
    found: list[int] = []
    for part in re.split(r"[, ]+", text.strip()):
        first, _, last = part.partition("-")
        low, high = int(first), int(last or first)
        if not low <= high < low + 1_000 or high > MAX_ID:
            fault = Fault(parameter=parameter, detail=f"{part}: a range goes upwards and holds 1000 runs at most")
            raise ProblemError(422, "invalid", f"{part} is no range of runs.", [fault])
        found += range(low, high + 1)
    return found


def _asked(query: ChoiceQuery) -> ComparisonCreate:
    try:
        if query.study and query.baseline and query.candidate:
            return ComparisonCreate(study=query.study, baseline=query.baseline, candidate=query.candidate)
        return ComparisonCreate(
            baseline_runs=run_ids("baseline_runs", query.baseline_runs or ""),
            candidate_runs=run_ids("candidate_runs", query.candidate_runs or ""),
        )
    except ValidationError as error:
        sentence = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise ProblemError(422, "invalid", sentence[:1].upper() + sentence[1:] + ".") from error


def _sides_of_choice(store: Store, query: ChoiceQuery) -> Sides:
    """Raises NotFoundError, ConflictError for runs that are not over, ProblemError."""
    asked = _asked(query)
    if asked.study is not None:
        lists = [[run.id for run in store.study_runs(asked.study, arm)] for arm in (asked.baseline, asked.candidate)]
    else:
        lists = [asked.baseline_runs or [], asked.candidate_runs or []]
    return _sides(store, lists, (asked.baseline, asked.candidate))


def _sides_of_stored(store: Store, stored: StoredComparison) -> Sides:
    from server.compare.models import Comparison

    lists = [stored.baseline_runs, stored.candidate_runs]
    return _sides(store, lists, (stored.baseline, stored.candidate), Comparison.model_validate(stored.result))


def _sides(store: Store, lists: Sequence[list[int]], named: tuple[str | None, str | None], result: Any = None) -> Sides:
    from server.compare import compare_runs
    from server.compare.plots import Plots

    figures = [figures_of(store, ids) for ids in lists]
    names = told_apart(named, [[str(run.config.get("protocol")) for run in runs] for runs in figures])
    arms = dict(zip(names, figures, strict=True))
    comparison = result if result is not None else compare_runs(*figures)
    broken = {
        name: [violation for run_id in ids for violation in store.violations_of(run_id)] if _any_invalid(of_arm) else []
        for (name, of_arm), ids in zip(arms.items(), lists, strict=True)
    }
    return Sides(Plots(comparison, arms), broken)


def _any_invalid(runs: Sequence[RunFigures]) -> bool:
    return any(not run.valid for run in runs)
