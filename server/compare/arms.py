"""The figures of one arm: what the table shows."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from server.compare.likeness import protocols
from server.compare.models import MIN_BEYOND_SHOWN, ArmFigures, RunFigures, WaitFigures
from server.compare.quantiles import SWAP_IN, enough_beyond, run_quantile_ns
from workers.outcome import QUANTILES, WAIT_CAUSES


def arm_figures(runs: Sequence[RunFigures]) -> ArmFigures:
    """Medians over runs, sums of waits and sleeps; an invalid run makes the arm invalid, figures stay as evidence."""
    totals = [run.histograms[SWAP_IN].total for run in runs if SWAP_IN in run.histograms]
    operations = sum(totals)
    invalid = [run for run in runs if not run.valid]
    names = protocols(runs)
    sleeps = [int(run.metrics.get("tick_sleeps") or 0) for run in runs]
    return ArmFigures(
        protocol=names[0] if len(names) == 1 else None,
        runs=len(runs),
        state="invalid" if invalid else "valid",
        invalid_reason=_invalid_reason(invalid, len(runs)),
        operations=operations,
        throughput_ops_s=_median([run.metrics.get("throughput_ops_s") for run in runs]),
        tick_sleeps=sum(sleeps),
        tick_sleeps_per_run=sleeps,
        waits=_waits(runs, operations),
        **{metric: _shown_quantile(runs, metric, operations) for metric in QUANTILES},
    )


def _invalid_reason(invalid: Sequence[RunFigures], runs: int) -> str | None:
    if not invalid:
        return None
    first = invalid[0]
    return f"{len(invalid)} of {runs} runs are invalid; run {first.run_id}: {first.invalid_reason or 'no reason given'}"


def _median(values: Sequence[float | int | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return median(known) if known else None


def _shown_quantile(runs: Sequence[RunFigures], metric: str, operations: int) -> float | None:
    if not enough_beyond(operations, QUANTILES[metric], MIN_BEYOND_SHOWN):
        return None
    return _median([run_quantile_ns(run.histograms, metric) for run in runs])


def _waits(runs: Sequence[RunFigures], operations: int) -> dict[str, WaitFigures]:
    """Causes in the order of the catalogue, then those it does not name."""
    seen = {cause for run in runs for cause in run.waits}
    figures = {}
    for cause in [*(c for c in WAIT_CAUSES if c in seen), *sorted(seen.difference(WAIT_CAUSES))]:
        waits = [run.waits[cause] for run in runs if cause in run.waits]
        total_ns = sum(wait.total_ns for wait in waits)
        figures[cause] = WaitFigures(
            count=sum(wait.count for wait in waits),
            total_ns=total_ns,
            max_ns=max(wait.max_ns for wait in waits),
            per_operation_ns=total_ns / operations if operations else None,
        )
    return figures
