"""The rank tests: estimate against brute force, p against scipy, interval against p, error rates by simulation."""

from __future__ import annotations

from itertools import product
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from server.compare.rank_inversion import (
    EXACT_PAIRS,
    rank_sum,
    rank_sum_cdf,
    signed_rank,
    signed_rank_cdf,
    smallest_p,
)

finite = st.floats(-10, 10, allow_nan=False).map(lambda x: round(x, 3))


@given(st.lists(finite, min_size=1, max_size=14))
def test_the_paired_estimate_is_the_median_of_the_walsh_averages(differences: list[float]) -> None:
    walsh = [(a + b) / 2 for i, a in enumerate(differences) for b in differences[i:]]
    assert signed_rank(differences, alpha=0.05).estimate == pytest.approx(median(walsh), abs=1e-12)


@given(st.lists(finite, min_size=1, max_size=9), st.lists(finite, min_size=1, max_size=9))
def test_the_unpaired_estimate_is_the_median_of_all_differences(x: list[float], y: list[float]) -> None:
    assert rank_sum(x, y, alpha=0.05).estimate == pytest.approx(median(b - a for a, b in product(x, y)), abs=1e-12)


@given(st.lists(finite, min_size=1, max_size=14))
def test_interval_and_p_agree_with_ties_and_zeros(differences: list[float]) -> None:
    shift = signed_rank(differences, alpha=0.05)
    excluded = shift.interval is not None and not shift.interval[0] <= 0 <= shift.interval[1]
    assert excluded == (shift.p < 0.05)


@given(st.lists(finite, min_size=1, max_size=9), st.lists(finite, min_size=1, max_size=9))
def test_unpaired_interval_and_p_agree_with_ties(x: list[float], y: list[float]) -> None:
    shift = rank_sum(x, y, alpha=0.05)
    excluded = shift.interval is not None and not shift.interval[0] <= 0 <= shift.interval[1]
    assert excluded == (shift.p < 0.05)


@pytest.mark.parametrize("n", [1, 2, 5, 8, 13, 30, 50])
def test_paired_p_is_that_of_scipy(n: int) -> None:
    for seed in range(20):
        d = np.random.default_rng([n, seed]).normal(0.4, 1, n)
        assert signed_rank(d, alpha=0.05).p == pytest.approx(stats.wilcoxon(d, method="exact").pvalue, rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 4), (8, 8), (5, 20), (25, 30)])
def test_unpaired_p_is_that_of_scipy(n: int, m: int) -> None:
    for seed in range(20):
        rng = np.random.default_rng([n, m, seed])
        x, y = rng.normal(0, 1, n), rng.normal(0.5, 1, m)
        expected = stats.mannwhitneyu(x, y, method="exact").pvalue
        assert rank_sum(x, y, alpha=0.05).p == pytest.approx(expected, rel=1e-9)


def test_beyond_the_exact_range_p_is_the_normal_limit_of_scipy() -> None:
    rng = np.random.default_rng(7)
    d = rng.normal(0.08, 1, EXACT_PAIRS + 50)
    expected = stats.wilcoxon(d, method="asymptotic", correction=True).pvalue
    assert signed_rank(d, alpha=0.05).p == pytest.approx(expected, rel=1e-9)
    x, y = rng.normal(0, 1, 80), rng.normal(0.2, 1, 80)
    expected = stats.mannwhitneyu(x, y, method="asymptotic", use_continuity=True).pvalue
    assert rank_sum(x, y, alpha=0.05).p == pytest.approx(expected, rel=1e-9)


def test_null_distributions_end_at_one() -> None:
    for n in (1, 4, 60, EXACT_PAIRS):
        assert signed_rank_cdf(n, n * (n + 1) // 2) == pytest.approx(1.0)
    assert rank_sum_cdf(7, 9, 63) == pytest.approx(1.0)
    assert rank_sum_cdf(7, 9, -1) == 0.0


@pytest.mark.parametrize(("n", "p"), [(1, 1.0), (5, 2 / 32), (6, 2 / 64), (8, 2 / 256)])
def test_the_smallest_p_of_n_pairs(n: int, p: float) -> None:
    assert smallest_p(n) == pytest.approx(p)
    assert signed_rank([1.0 + i for i in range(n)], alpha=0.05).p == pytest.approx(p)


def test_no_interval_where_nothing_can_be_excluded() -> None:
    assert signed_rank([1, 2, 3, 4, 5], alpha=0.05).interval is None
    assert signed_rank([1, 2, 3, 4, 5, 6], alpha=0.05).interval == (1.0, 6.0)
    assert rank_sum([1, 2, 3], [4, 5, 6], alpha=0.05).interval is None


@pytest.mark.parametrize("unpaired", [False, True])
def test_the_interval_covers_the_true_shift(unpaired: bool) -> None:
    """Heavy tails, 1500 samples: coverage at least 95 % by theory; three standard errors below is 93.3 %."""
    rng, covered, rounds = np.random.default_rng(11), 0, 1500
    for _ in range(rounds):
        if unpaired:
            shift = rank_sum(rng.standard_t(3, 10), 0.7 + rng.standard_t(3, 10), alpha=0.05)
        else:
            shift = signed_rank(0.7 + rng.standard_t(3, 10), alpha=0.05)
        assert shift.interval is not None
        covered += shift.interval[0] <= 0.7 <= shift.interval[1]
    assert covered / rounds > 0.933


@settings(max_examples=30)
@given(st.integers(6, 40), st.integers(0, 1000))
def test_swapping_the_arms_mirrors_the_result(n: int, seed: int) -> None:
    d = np.random.default_rng(seed).normal(0.3, 1, n)
    there, back = signed_rank(d, alpha=0.05), signed_rank(-d, alpha=0.05)
    assert there.p == pytest.approx(back.p)
    assert there.interval is not None
    assert back.interval is not None
    assert there.interval == pytest.approx((-back.interval[1], -back.interval[0]))
