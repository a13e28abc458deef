"""One metric: its values, its test, its verdict. The set of verdicts is closed and every doubt has a reason."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, expm1, log
from statistics import fmean, median, stdev

from server.compare.models import (
    ALPHA,
    EQUIVALENCE_MARGIN,
    HIGHER_IS_BETTER,
    MIN_BEYOND_JUDGED,
    MetricComparison,
    RunFigures,
    Verdict,
)
from server.compare.pairing import Pairing
from server.compare.quantiles import SWAP_IN, beyond, enough_beyond, run_quantile_ns
from server.compare.rank_inversion import Shift, rank_sum, signed_rank, smallest_p
from workers.outcome import QUANTILES


@dataclass(frozen=True)
class Measured:
    """The values of one metric and what the test made of them; `doubt` says why there is no test."""

    metric: str
    baseline: list[float]
    candidate: list[float]
    shift: Shift | None
    doubt: str | None


def measure(metric: str, pairing: Pairing, *, barred: str | None) -> Measured:
    """Take the per-run values and test them; barred arms are not tested, too thin ones cannot be."""
    doubts = [_doubt(metric, run) for run in (*pairing.baseline, *pairing.candidate)]
    doubt = next((d for d in doubts if d is not None), None)
    if barred or doubt:
        return Measured(metric, [], [], None, doubt)
    before = [_value(metric, run) for run in pairing.baseline]
    after = [_value(metric, run) for run in pairing.candidate]
    if pairing.paired:
        shift = signed_rank([log(a / b) for b, a in zip(before, after, strict=True)], alpha=ALPHA)
    else:
        shift = rank_sum([log(b) for b in before], [log(a) for a in after], alpha=ALPHA)
    return Measured(metric, before, after, shift, None)


def judge(
    measured: Measured, p_holm: float | None, pairing: Pairing, *, family: int, barred: str | None
) -> MetricComparison:
    """The verdict on one metric, given its adjusted p and why nothing may be compared, if so."""
    shift = measured.shift
    verdict, reason = ("not_comparable", barred) if barred else _decide(measured, p_holm, pairing, family)
    ratios = [a / b - 1.0 for b, a in zip(measured.baseline, measured.candidate, strict=True)] if pairing.paired else []
    return MetricComparison(
        metric=measured.metric,
        verdict=verdict,
        reason=reason,
        higher_is_better=HIGHER_IS_BETTER[measured.metric],
        baseline=median(measured.baseline) if measured.baseline else None,
        candidate=median(measured.candidate) if measured.candidate else None,
        change=expm1(shift.estimate) if shift else None,
        ci=(expm1(shift.interval[0]), expm1(shift.interval[1])) if shift and shift.interval else None,
        p=shift.p if shift else None,
        p_holm=p_holm,
        n=pairing.n,
        differences=ratios,
        blocks=pairing.blocks if ratios else [],
        baseline_spread=_spread(measured.baseline),
        candidate_spread=_spread(measured.candidate),
    )


def _spread(values: list[float]) -> float | None:
    return stdev(values) / fmean(values) if len(values) > 1 else None


def _decide(measured: Measured, p_holm: float | None, pairing: Pairing, family: int) -> tuple[Verdict, str | None]:
    shift = measured.shift
    if shift is None or p_holm is None:
        return "inconclusive", measured.doubt
    if shift.interval and _inside_margin(shift.interval):
        return "equivalent", None
    if p_holm < ALPHA:
        better = (shift.estimate > 0) == HIGHER_IS_BETTER[measured.metric]
        return ("improved" if better else "regressed"), None
    too_small = _n_too_small(pairing, family)
    if too_small:
        return "inconclusive", too_small
    if shift.p < ALPHA:
        return "inconclusive", f"p = {shift.p:.2g} alone, but {p_holm:.2g} after Holm over {family} metrics"
    return "inconclusive", f"the interval holds both no change and more than {EQUIVALENCE_MARGIN * 100:g} %"


def _inside_margin(interval: tuple[float, float]) -> bool:
    return exp(interval[0]) > 1.0 - EQUIVALENCE_MARGIN and exp(interval[1]) < 1.0 + EQUIVALENCE_MARGIN


def _n_too_small(pairing: Pairing, family: int) -> str | None:
    """A sentence when not even the clearest data of this size reach p < ALPHA after Holm; None when they can."""
    sizes = len(pairing.baseline), len(pairing.candidate)
    best = smallest_p(sizes[0]) if pairing.paired else smallest_p(*sizes)
    if family * best < ALPHA:
        return None
    needed = 1
    while family * (smallest_p(needed) if pairing.paired else smallest_p(needed, needed)) >= ALPHA:
        needed += 1
    have = f"{sizes[0]} pairs" if pairing.paired else f"{sizes[0]} and {sizes[1]} runs"
    unit = "pairs" if pairing.paired else "runs an arm"
    return (
        f"n too small: {have} reach p = {best:.2g} at best, {min(1.0, family * best):.2g} after Holm over "
        f"{family} metric{'s' if family > 1 else ''}; {needed} {unit} can be enough"
    )


def _doubt(metric: str, run: RunFigures) -> str | None:
    """Why this run gives no value for `metric`, or None."""
    if metric in QUANTILES:
        histogram = run.histograms.get(SWAP_IN)
        total = histogram.total if histogram else 0
        if not enough_beyond(total, QUANTILES[metric], MIN_BEYOND_JUDGED):
            return (
                f"too few observations: run {run.run_id} has {beyond(total, QUANTILES[metric]):.1f} swap-ins beyond "
                f"{metric}, {MIN_BEYOND_JUDGED} are needed; let runs last longer"
            )
    value = _lookup(metric, run)
    if value is None or not value > 0:
        return f"run {run.run_id} has {metric} = {value}: no ratio can be taken"
    return None


def _lookup(metric: str, run: RunFigures) -> float | int | None:
    return run_quantile_ns(run.histograms, metric) if metric in QUANTILES else run.metrics.get(metric)


def _value(metric: str, run: RunFigures) -> float:
    value = _lookup(metric, run)
    assert value is not None, (metric, run.run_id)
    return float(value)
