"""One rank test, its interval and its estimate from one list of elementary shifts, so that they cannot disagree.

Both tests here count elementary estimates of a shift: the Walsh averages of paired differences (Wilcoxon signed-rank),
or all differences between two samples (Mann-Whitney). Their median is the Hodges-Lehmann estimate. The test of shift 0
asks how many lie on the smaller side of 0; the interval cuts off as many at each end as that test would reject. An
estimate equal to 0 counts for the null: with ties the test is conservative, and p < alpha exactly when the interval
excludes 0. Source: Hollander, Wolfe, Chicken, Nonparametric Statistical Methods, 3rd edition, sections 3.1 to 3.3 and
4.1 to 4.3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

EXACT_PAIRS = 200  # exact null distribution up to here; beyond, the normal limit errs by less than 0.0001
EXACT_PRODUCT = 2_500  # the same for the product of two unpaired sample sizes: exact in well under a second


@dataclass(frozen=True)
class Shift:
    """A shift in the unit of the data: estimate, interval (None when no shift can be excluded) and two-sided p."""

    estimate: float
    interval: tuple[float, float] | None
    p: float


def signed_rank(differences: Sequence[float] | Floats, *, alpha: float) -> Shift:
    """Wilcoxon signed-rank test of `differences` (one a pair, at least one) against 0, inverted at level 1 - alpha."""
    import numpy as np

    d = np.asarray(differences, dtype=np.float64)
    rows, columns = np.triu_indices(len(d))
    walsh = np.sort((d[rows] + d[columns]) / 2.0)
    return _invert(walsh, lambda k: signed_rank_cdf(len(d), k), alpha)


def rank_sum(baseline: Sequence[float] | Floats, candidate: Sequence[float] | Floats, *, alpha: float) -> Shift:
    """Mann-Whitney test of two samples (each at least one), inverted: the shift of candidate over baseline."""
    import numpy as np

    x, y = np.asarray(baseline, dtype=np.float64), np.asarray(candidate, dtype=np.float64)
    shifts = np.sort((y[:, None] - x[None, :]).ravel())
    return _invert(shifts, lambda k: rank_sum_cdf(len(x), len(y), k), alpha)


def _invert(estimates: Floats, cdf: Callable[[int], float], alpha: float) -> Shift:
    """From sorted elementary estimates and the null distribution of how many lie below 0."""
    import numpy as np

    size = len(estimates)
    at_most = int(np.searchsorted(estimates, 0.0, side="right"))
    at_least = size - int(np.searchsorted(estimates, 0.0, side="left"))
    p = min(1.0, 2.0 * cdf(min(at_most, at_least)))
    low, high = -1, size // 2  # the greatest k that the test still rejects lies in [low, high)
    while high - low > 1:
        middle = (low + high) // 2
        if 2.0 * cdf(middle) < alpha:
            low = middle
        else:
            high = middle
    interval = None if low < 0 else (float(estimates[low]), float(estimates[size - 1 - low]))
    return Shift(float(np.median(estimates)), interval, p)


def smallest_p(n: int, m: int | None = None) -> float:
    """The least p that `n` pairs, or samples of `n` and `m` runs, can reach whatever they hold."""
    return min(1.0, 2.0 * (signed_rank_cdf(n, 0) if m is None else rank_sum_cdf(n, m, 0)))


def signed_rank_cdf(n: int, k: int) -> float:
    """P(T <= k) of the signed-rank statistic of `n` pairs without ties."""
    mean = n * (n + 1) / 4.0
    if n > EXACT_PAIRS:
        return _normal_cdf((k + 0.5 - mean) / sqrt(mean * (2 * n + 1) / 6.0))
    return _cumulated(_signed_rank_probabilities(n), k)


def rank_sum_cdf(n: int, m: int, k: int) -> float:
    """P(U <= k) of the Mann-Whitney statistic of samples of `n` and `m` without ties."""
    if n * m > EXACT_PRODUCT:
        return _normal_cdf((k + 0.5 - n * m / 2.0) / sqrt(n * m * (n + m + 1) / 12.0))
    return _cumulated(_rank_sum_probabilities(min(n, m), max(n, m)), k)


def _cumulated(cdf: Floats, k: int) -> float:
    return float(cdf[min(k, len(cdf) - 1)]) if k >= 0 else 0.0


def _normal_cdf(z: float) -> float:
    from scipy.stats import norm

    return float(norm.cdf(z))


@lru_cache(maxsize=64)
def _signed_rank_probabilities(n: int) -> Floats:
    """Cumulative distribution: each rank is in the sum with probability one half."""
    import numpy as np

    density = np.zeros(n * (n + 1) // 2 + 1)
    density[0] = 1.0
    for rank in range(1, n + 1):
        density[rank:] = (density[rank:] + density[: len(density) - rank]) / 2.0
        density[:rank] /= 2.0
    return np.cumsum(density)


@lru_cache(maxsize=64)
def _rank_sum_probabilities(n: int, m: int) -> Floats:
    """Cumulative distribution from the Gaussian binomial coefficient, in whole numbers until the last division."""
    import numpy as np

    counts = [1] + [0] * (n * m)
    for i in range(1, n + 1):
        for total in range(n * m, m + i - 1, -1):
            counts[total] -= counts[total - m - i]
        for total in range(i, n * m + 1):
            counts[total] += counts[total - i]
    ways = comb(n + m, n)
    return np.cumsum([count / ways for count in counts])
