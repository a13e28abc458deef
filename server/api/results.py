"""What a run left: samples, histograms, violations, and the circumstances it was measured under."""

from __future__ import annotations

import csv
import io
import re
from typing import Any, Literal

from apiflask import APIBlueprint
from flask import Response, jsonify, request
from pydantic import BaseModel, ConfigDict

from server.api.common import ID, PREFIX, PageQuery, Responses, problems, read_cursor, the_service, write_cursor
from server.reproducer import Reproducer, reproducer_of
from server.schemas import Attempt, Model, Sample
from workers.outcome import Histogram, Violation

SIGNIFICANT_DIGITS = 3  # of a histogram in HdrHistogram's own form; ours are coarser


class SamplePage(Model):
    """Samples of the last attempt in order of time."""

    items: list[Sample]
    next_cursor: str | None


class HistogramEntry(Model):
    """One histogram without its buckets."""

    name: str
    total: int
    sum_ns: int
    max_ns: int


class HistogramList(Model):
    """The histograms of the last attempt."""

    items: list[HistogramEntry]


class ViolationList(Model):
    """The laws that the last attempt broke."""

    items: list[Violation]


class AttemptList(Model):
    """Every start of a run. `evidence` is what is kept without being believed."""

    items: list[Attempt]


class Environment(Model):
    """Under what a run was measured: of its last attempt, and of every attempt with its canonical config."""

    environment: dict[str, Any] | None
    attempts: list[Attempt]


class HistogramQuery(BaseModel):
    """How to write a histogram."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["json", "csv", "hgrm"] = "json"


def to_csv(histogram: Histogram) -> str:
    """A histogram as CSV: one line a bucket that is not empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["lower_ns", "upper_ns", "count"])
    writer.writerows(zip(histogram.lower_ns, histogram.upper_ns, histogram.counts, strict=True))
    return text.getvalue()


def to_hgrm(histogram: Histogram) -> str:
    """A histogram as HdrHistogram's percentile distribution, in us: what its plotters and hgrm viewers read."""
    from hdrh.histogram import HdrHistogram  # with the values of a bucket at its upper edge, as the format has it

    most = max([histogram.max_ns, *histogram.upper_ns, 2])
    recorded = HdrHistogram(1, most, SIGNIFICANT_DIGITS)
    for upper, count in zip(histogram.upper_ns, histogram.counts, strict=True):
        recorded.record_value(min(max(1, upper - 1), max(1, histogram.max_ns)), count)
    text = io.BytesIO()
    recorded.output_percentile_distribution(text, 1_000.0)
    deviation = f"StdDeviation = {recorded.get_stddev() / 1_000:12.3f}"  # which the package leaves in ns
    return re.sub(r"StdDeviation *= *[0-9.]+", deviation, text.getvalue().decode())


def results() -> APIBlueprint:
    """The blueprint of what lies under one run."""
    bp = APIBlueprint("results", __name__, url_prefix=f"{PREFIX}/runs/" + ID.format("run_id"), tag="results")
    _add_histograms(bp)

    @bp.get("/samples")
    @bp.input(PageQuery, location="query", arg_name="query")
    @bp.output(SamplePage, description="A page of samples.")
    @bp.doc(summary="Samples of a run, one a second", responses=problems(404))
    def list_samples(run_id: int, query: PageQuery) -> SamplePage:
        store = the_service().store
        found, after_ns = store.samples_of(run_id, limit=query.limit, after_ns=read_cursor(query.cursor))
        return SamplePage(items=found, next_cursor=write_cursor(after_ns))

    @bp.get("/violations")
    @bp.output(ViolationList, description="Broken laws; none for a run that kept them all.")
    @bp.doc(summary="Laws that a run broke", responses=problems(404))
    def list_violations(run_id: int) -> ViolationList:
        return ViolationList(items=the_service().store.violations_of(run_id))

    @bp.get("/attempts")
    @bp.output(AttemptList, description="Every start of the run, first to last.")
    @bp.doc(summary="Starts of a run", responses=problems(404))
    def list_attempts(run_id: int) -> AttemptList:
        return AttemptList(items=the_service().store.attempts_of(run_id))

    @bp.get("/reproducer")
    @bp.output(Reproducer, description="Command lines that ask for the very same run.")
    @bp.doc(summary="How to repeat a run", responses=problems(404))
    def get_reproducer(run_id: int) -> Reproducer:
        (result,) = the_service().store.results_of([run_id])
        base_url = request.host_url.rstrip("/")
        return reproducer_of(result.run.spec, result.environment, result.violations, base_url)

    @bp.get("/environment")
    @bp.output(Environment, description="Circumstances of every attempt.")
    @bp.doc(summary="Under what a run was measured", responses=problems(404))
    def get_environment(run_id: int) -> Environment:
        found = the_service().store.attempts_of(run_id)
        return Environment(environment=found[-1].environment if found else None, attempts=found)

    return bp


def _add_histograms(bp: APIBlueprint) -> None:
    @bp.get("/histograms")
    @bp.output(HistogramList, description="Names and totals.")
    @bp.doc(summary="Latency histograms of a run", responses=problems(404))
    def list_histograms(run_id: int) -> HistogramList:
        found = the_service().store.histograms_of(run_id)
        return HistogramList(
            items=[
                HistogramEntry(name=name, total=each.total, sum_ns=each.sum_ns, max_ns=each.max_ns)
                for name, each in found.items()
            ]
        )

    @bp.get("/histograms/<name>")
    @bp.input(HistogramQuery, location="query", arg_name="query")
    @bp.doc(summary="One histogram, as JSON, CSV or .hgrm", responses={**_histogram_responses(), **problems(404)})
    def get_histogram(run_id: int, name: str, query: HistogramQuery) -> Response:
        histogram = the_service().store.histogram_of(run_id, name)
        if query.format == "csv":
            return Response(to_csv(histogram), mimetype="text/csv")
        if query.format == "hgrm":
            return Response(to_hgrm(histogram), mimetype="text/plain")
        return jsonify(histogram.model_dump(mode="json"))


def _histogram_responses() -> Responses:
    content = {
        "application/json": {"schema": Histogram.model_json_schema()},
        "text/csv": {"schema": {"type": "string", "description": "lower_ns,upper_ns,count: a line a bucket"}},
        "text/plain": {"schema": {"type": "string", "description": "percentile distribution of HdrHistogram, in us"}},
    }
    return {200: {"description": "The histogram; CSV or .hgrm by `format`.", "content": content}}
