"""Quantiles of a histogram of latencies."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate

from workers.outcome import QUANTILES, Histogram

SWAP_IN = "swap_in"  # the histogram that the latencies of a run are taken from


def quantile_ns(histogram: Histogram, q: float) -> float | None:
    """The latency below which a share `q` (0 to 1) of the observations lies, in ns; None for an empty histogram.

    Observations are taken to lie evenly in their bucket; nothing lies above the greatest that was seen.
    """
    return Quantiles(histogram).at(q)


class Quantiles:
    """Many quantiles of one histogram."""

    def __init__(self, histogram: Histogram) -> None:
        buckets = zip(histogram.lower_ns, histogram.upper_ns, histogram.counts, strict=True)
        self._buckets = [bucket for bucket in buckets if bucket[2] > 0]
        self._reached = list(accumulate(count for _, _, count in self._buckets))
        self._total = histogram.total
        self._max_ns = histogram.max_ns

    def at(self, q: float) -> float | None:
        """As quantile_ns."""
        if self._total <= 0:
            return None
        rank = q * self._total
        place = bisect_left(self._reached, rank)
        if place == len(self._buckets):
            return float(self._max_ns)
        lower, upper, count = self._buckets[place]
        inside = lower + (upper - lower) * max(0.0, rank - (self._reached[place] - count)) / count
        return float(min(inside, max(self._max_ns, lower)))


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
