"""Quantiles of a histogram of latencies."""

from __future__ import annotations

from workers.outcome import QUANTILES, Histogram

SWAP_IN = "swap_in"  # the histogram that the latencies of a run are taken from


def quantile_ns(histogram: Histogram, q: float) -> float | None:
    """The latency below which a share `q` (0 to 1) of the observations lies, in ns; None for an empty histogram.

    Observations are taken to lie evenly in their bucket; nothing lies above the greatest that was seen.
    """
    if histogram.total <= 0:
        return None
    rank = q * histogram.total
    before = 0
    for lower, upper, count in zip(histogram.lower_ns, histogram.upper_ns, histogram.counts, strict=True):
        if count > 0 and before + count >= rank:
            inside = lower + (upper - lower) * max(0.0, rank - before) / count
            return float(min(inside, max(histogram.max_ns, lower)))
        before += count
    return float(histogram.max_ns)


def beyond(total: int, q: float) -> float:
    """How many of `total` observations are expected beyond quantile `q`."""
    return total * (1.0 - q)


def enough_beyond(total: int, q: float, least: int) -> bool:
    """Whether at least `least` observations lie beyond; the small allowance is for 1 - 0.999 in binary."""
    return beyond(total, q) >= least * (1.0 - 1e-9)


def run_quantile_ns(histograms: dict[str, Histogram], metric: str) -> float | None:
    """The quantile that `metric` (such as p99_ns) names, of one run's swap-ins; None when there were none."""
    histogram = histograms.get(SWAP_IN)
    return None if histogram is None else quantile_ns(histogram, QUANTILES[metric])
