"""From stored runs to a stored comparison: what server.compare is fed with, and where its result goes.

server.compare brings numpy and scipy along, so it is imported when a comparison is asked for and not before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from server.schemas import ComparisonCreate, Result, StoredComparison
from server.store import ConflictError, Store

if TYPE_CHECKING:
    from server.compare import RunFigures


def figures_of(store: Store, run_ids: Sequence[int]) -> list[RunFigures]:
    """Runs as a comparison takes them, in the order asked. Raises NotFoundError, ConflictError for unfinished runs."""
    results = store.results_of(run_ids)
    unfinished = [f"{result.run.id} ({result.run.state})" for result in results if not result.run.finished]
    if unfinished:
        raise ConflictError(f"these runs are not over yet: {', '.join(unfinished)}")
    return [_figures(result) for result in results]


def _figures(result: Result) -> RunFigures:
    from server.compare import RunFigures

    run = result.run
    return RunFigures(
        run_id=run.id,
        block=run.block,
        seed=run.seed,
        config=run.spec.model_dump(mode="json", exclude={"seed"}),
        environment=result.environment,
        valid=run.state == "succeeded",
        invalid_reason=_why_invalid(result),
        metrics=run.metrics or {},
        waits=run.waits or {},
        histograms=result.histograms,
    )


def _why_invalid(result: Result) -> str | None:
    run = result.run
    if run.state == "succeeded":
        return None
    return run.state if run.state_reason is None else f"{run.state}: {run.state_reason.sentence}"


def sides_of(store: Store, asked: ComparisonCreate) -> tuple[list[int], list[int]]:
    """Numbers of the runs of both sides. Raises NotFoundError, ConflictError for a run that is on both."""

    def arm(name: str | None) -> list[int]:
        return [run.id for run in store.study_runs(asked.study or 0, name)]

    candidate = asked.candidate_runs or arm(asked.candidate)
    if asked.against is None:
        return asked.baseline_runs or arm(asked.baseline), candidate
    baseline = store.get_baseline(asked.against).runs
    both = sorted(set(baseline) & set(candidate))
    if both:
        raise ConflictError(f"a run counts once, on one side; part of the baseline are: {', '.join(map(str, both))}")
    return baseline, candidate


def make_comparison(store: Store, asked: ComparisonCreate, *, idempotency_key: str | None = None) -> StoredComparison:
    """Compare and keep the result. Raises NotFoundError, ConflictError, IdempotencyError."""
    from server.compare import compare_runs

    known = store.find_comparison(asked, idempotency_key)
    if known is not None:
        return known
    baseline, candidate = sides_of(store, asked)
    result = compare_runs(figures_of(store, baseline), figures_of(store, candidate))
    return store.add_comparison(
        asked, baseline, candidate, result.model_dump(mode="json"), idempotency_key=idempotency_key
    )


def compare_study(store: Store, study_id: int, baseline: str, candidate: str) -> StoredComparison:
    """Compare two arms of a study and keep the result. Raises NotFoundError, ConflictError."""
    return make_comparison(store, ComparisonCreate(study=study_id, baseline=baseline, candidate=candidate))


def compare_run_lists(store: Store, baseline: list[int], candidate: list[int]) -> StoredComparison:
    """Compare two lists of runs and keep the result. Raises NotFoundError, ConflictError."""
    return make_comparison(store, ComparisonCreate(baseline_runs=baseline, candidate_runs=candidate))
