"""The curves of a report: what is drawn and what stands in the tables behind the charts.

For the eye, not for inference: latencies of an arm's runs are merged here to draw one line, and the verdicts never see
merged latencies.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from server.compare.models import MIN_BEYOND_JUDGED, MIN_BEYOND_SHOWN
from server.compare.quantiles import Quantiles, enough_beyond
from workers.outcome import Histogram

POINTS_A_DECADE = 60
TABLE_QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999, 0.99999)


class PercentileCurve(BaseModel):
    """Latency by percentile. `tail` is 1 / (1 - q); `low_ns` and `high_ns` are the extremes of the single runs, up to
    the percentile that every run has enough observations for."""

    tail: list[float]
    latency_ns: list[float]
    band_tail: list[float]
    low_ns: list[float]
    high_ns: list[float]


class Ecdf(BaseModel):
    """Share of the observations at or below a latency."""

    latency_ns: list[float]
    share: list[float]


def merged(histograms: Sequence[Histogram]) -> Histogram:
    """The histogram of all observations together. Buckets are those of the core: equal, or apart."""
    buckets: dict[tuple[int, int], int] = {}
    for histogram in histograms:
        for lower, upper, count in zip(histogram.lower_ns, histogram.upper_ns, histogram.counts, strict=True):
            buckets[lower, upper] = buckets.get((lower, upper), 0) + count
    edges = sorted(buckets)
    return Histogram(
        lower_ns=[lower for lower, _ in edges],
        upper_ns=[upper for _, upper in edges],
        counts=[buckets[edge] for edge in edges],
        total=sum(histogram.total for histogram in histograms),
        sum_ns=sum(histogram.sum_ns for histogram in histograms),
        max_ns=max((histogram.max_ns for histogram in histograms), default=0),
    )


def percentile_curve(histograms: Sequence[Histogram]) -> PercentileCurve:
    """The curve of an arm from the histograms of its runs, as far as its observations carry."""
    filled = [histogram for histogram in histograms if histogram.total > 0]
    together = merged(filled)
    of_all, of_each = Quantiles(together), [Quantiles(histogram) for histogram in filled]
    least = min((histogram.total for histogram in filled), default=0)
    curve = PercentileCurve(tail=[], latency_ns=[], band_tail=[], low_ns=[], high_ns=[])
    step = 0
    while True:
        tail = 10 ** (step / POINTS_A_DECADE)
        q = 1.0 - 1.0 / tail
        latency_ns = of_all.at(q)
        if latency_ns is None or not enough_beyond(together.total, q, MIN_BEYOND_SHOWN):
            return curve
        curve.tail.append(tail)
        curve.latency_ns.append(latency_ns)
        if enough_beyond(least, q, MIN_BEYOND_JUDGED):
            of_runs = [value for value in (quantiles.at(q) for quantiles in of_each) if value is not None]
            curve.band_tail.append(tail)
            curve.low_ns.append(min(of_runs))
            curve.high_ns.append(max(of_runs))
        step += 1


def ecdf(histograms: Sequence[Histogram]) -> Ecdf:
    """The empirical distribution of an arm's latencies, a point a bucket."""
    together = merged(histograms)
    curve = Ecdf(latency_ns=[], share=[])
    seen = 0
    for lower, upper, count in zip(together.lower_ns, together.upper_ns, together.counts, strict=True):
        if not curve.share:
            curve.latency_ns.append(float(max(lower, 1)))
            curve.share.append(0.0)
        seen += count
        curve.latency_ns.append(float(min(upper, max(together.max_ns, lower + 1))))
        curve.share.append(seen / together.total)
    return curve


def share_at(histogram: Histogram, latency_ns: float) -> float | None:
    """Share of observations at or below a latency in ns, evenly spread in their bucket; None for an empty histogram."""
    if histogram.total <= 0:
        return None
    below = 0.0
    for lower, upper, count in zip(histogram.lower_ns, histogram.upper_ns, histogram.counts, strict=True):
        inside = (latency_ns - lower) / (upper - lower) if upper > lower else float(latency_ns >= lower)
        below += count * min(1.0, max(0.0, inside))
    return below / histogram.total
