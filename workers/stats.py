"""From the figures of a run to its metrics. Pure Python on histograms: the supervisor loads no NumPy.

A histogram is what workers.outcome.Histogram is: parallel arrays of bucket bounds in ns, lower inclusive, upper
exclusive, and counts, in rising order.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from workers.outcome import QUANTILES

BEYOND = 100  # observations that must lie beyond a quantile: with fewer it is an order statistic of a handful


def quantile_ns(histogram: Mapping[str, Any], quantile: float) -> float | None:
    """The latency in ns that the fraction `quantile` of the observations does not exceed.

    Inside a bucket the observations are taken to lie evenly, and none above the greatest seen. None where fewer than
    100 observations lie beyond the quantile; the median, which is no tail, needs one observation.
    """
    total = histogram["total"]
    exact = Fraction(str(quantile))  # the decimal that is meant: 1 - 0.999 is not 0.001 in binary
    if total < 1 or (quantile != 0.5 and total * (1 - exact) < BEYOND):
        return None
    rank = total * exact
    below = 0
    for lower, upper, count in zip(histogram["lower_ns"], histogram["upper_ns"], histogram["counts"], strict=True):
        if below + count >= rank:
            inside = lower + (upper - lower) * (rank - below) / count
            return float(min(inside, max(lower, histogram["max_ns"])))
        below += count
    raise ValueError(f"a histogram whose counts add up to {below} says that it has {total} observations")


def metrics(figures: Mapping[str, Any], elapsed_ns: int, cpu_ns: int | None) -> dict[str, float | int | None]:
    """The headline figures of a run from the core's figures, its measured time and the time its workers were on a CPU.

    Latencies are those of the histogram `swap_in`. throughput_ops_s counts operations of all CPUs; None without time.
    """
    operations = int(figures["operations"])
    out: dict[str, float | int | None] = {}
    swap_in = figures["histograms"].get("swap_in")
    for name, quantile in QUANTILES.items():
        out[name] = None if swap_in is None else quantile_ns(swap_in, quantile)
    out["throughput_ops_s"] = operations * 1e9 / elapsed_ns if elapsed_ns > 0 else None
    out["operations"] = operations
    out["swap_ins"] = int(figures["swap_ins"])
    out["tick_sleeps"] = int(figures["events"].get("tick_sleeps", 0))
    out["elapsed_ns"] = elapsed_ns
    out["cpu_ns"] = cpu_ns
    return out
