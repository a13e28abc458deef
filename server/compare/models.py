"""What a comparison is given and what it says: the pydantic models that API, CLI and reports share."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from workers.outcome import Histogram, Wait

Verdict = Literal["improved", "regressed", "equivalent", "inconclusive", "not_comparable"]

ALPHA = 0.05  # error rate over all declared metrics together (Holm), and one minus the level of an interval
EQUIVALENCE_MARGIN = 0.02  # a change whose whole interval lies inside +-2 % is none that anybody acts on
MIN_BEYOND_SHOWN = 100  # observations beyond a percentile before it is shown: its relative error is then about 10 %
MIN_BEYOND_JUDGED = 10  # the same for the value of one run, of which the rank test takes many

# Metric -> whether more is better. Latency quantiles are computed from the histogram of swap-ins.
HIGHER_IS_BETTER = {
    "throughput_ops_s": True,
    "p50_ns": False,
    "p90_ns": False,
    "p99_ns": False,
    "p999_ns": False,
    "p9999_ns": False,
}
DEFAULT_METRICS = ("throughput_ops_s", "p50_ns", "p99_ns", "p999_ns")


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RunFigures(Model):
    """One run as the comparison sees it.

    `block` and `seed` name the pair that the run belongs to; `block` None: the run was not interleaved with others.
    `config` is the run's spec, `environment` what the supervisor recorded. `valid` is False when a law was violated or
    the run did not succeed; `invalid_reason` then says which. `metrics`, `waits` and `histograms` are those of
    `workers.outcome.Outcome`; the histogram `swap_in` is the one that latencies are taken from.
    """

    run_id: int | str
    block: int | str | None
    seed: int
    config: dict[str, Any]
    environment: dict[str, Any]
    valid: bool
    invalid_reason: str | None = None
    metrics: dict[str, float | int | None]
    waits: dict[str, Wait]
    histograms: dict[str, Histogram]


class WaitFigures(Model):
    """One cause of waiting over all runs of an arm. `per_operation_ns`: total over the arm's swap-ins; None without."""

    count: int
    total_ns: int
    max_ns: int
    per_operation_ns: float | None


class ArmFigures(Model):
    """What the table shows of one arm.

    A quantile is the median over runs of the quantile of each run's histogram, None when the runs together hold fewer
    than `MIN_BEYOND_SHOWN` observations beyond it. `tick_sleeps` is the sum over runs.
    """

    protocol: str | None
    runs: int
    state: Literal["valid", "invalid"]
    invalid_reason: str | None
    operations: int
    p50_ns: float | None
    p90_ns: float | None
    p99_ns: float | None
    p999_ns: float | None
    p9999_ns: float | None
    throughput_ops_s: float | None
    tick_sleeps: int
    tick_sleeps_per_run: list[int]
    waits: dict[str, WaitFigures]


class MetricComparison(Model):
    """The verdict on one metric.

    `change` is the Hodges-Lehmann estimate of candidate over baseline, less 1 (-0.3: 30 % less); `ci` its 95 %
    interval; `p` the p-value of the rank test that the interval inverts, so that p < 0.05 exactly when `ci` excludes
    0; `p_holm` the same over all declared metrics, which decides. `n` counts pairs, or the runs of the smaller arm.
    `differences` are the relative changes of the pairs in the order of `blocks` (both empty when unpaired). A spread is
    the standard deviation of the runs' values over their mean, None for fewer than two runs.
    """

    metric: str
    verdict: Verdict
    reason: str | None
    higher_is_better: bool
    baseline: float | None
    candidate: float | None
    change: float | None
    ci: tuple[float, float] | None
    p: float | None
    p_holm: float | None
    n: int
    differences: list[float]
    blocks: list[str]
    baseline_spread: float | None = None
    candidate_spread: float | None = None


class Comparison(Model):
    """Two arms side by side: figures, differences of their circumstances, one verdict a metric."""

    comparable: bool
    reason: str | None
    differing_keys: list[str]
    paired: bool
    n: int
    method: str
    alpha: float
    equivalence_margin: float
    baseline: ArmFigures
    candidate: ArmFigures
    metrics: dict[str, MetricComparison]
    notes: list[str]
