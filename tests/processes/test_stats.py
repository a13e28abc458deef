"""From histograms to metrics: interpolation, and quantiles that too few observations support are not shown."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.outcome import QUANTILES
from workers.stats import metrics, quantile_ns


def histogram(buckets: list[tuple[int, int, int]], max_ns: int | None = None) -> dict[str, Any]:
    lower, upper, counts = (list(column) for column in zip(*buckets, strict=True)) if buckets else ([], [], [])
    return {
        "lower_ns": lower,
        "upper_ns": upper,
        "counts": counts,
        "total": sum(counts),
        "sum_ns": 0,
        "max_ns": upper[-1] if max_ns is None and upper else max_ns or 0,
    }


def test_observations_lie_evenly_in_their_bucket() -> None:
    one = histogram([(1000, 2000, 1000)])
    assert quantile_ns(one, 0.5) == 1500.0
    assert quantile_ns(one, 0.9) == 1900.0


def test_a_quantile_lies_in_the_bucket_of_its_rank() -> None:
    two = histogram([(100, 200, 900), (4_000_000, 4_200_000, 100)])
    assert quantile_ns(two, 0.9) == 200.0
    assert quantile_ns(two, 0.5) == pytest.approx(100 + 100 * 500 / 900)
    more = histogram([(100, 200, 9000), (4_000_000, 4_200_000, 1000)])
    assert quantile_ns(more, 0.99) == pytest.approx(4_000_000 + 200_000 * 900 / 1000)


def test_nothing_lies_above_the_greatest_seen() -> None:
    assert quantile_ns(histogram([(1000, 2000, 1000)], max_ns=1200), 0.9) == 1200.0


@pytest.mark.parametrize(("name", "enough"), [("p90_ns", 1_000), ("p99_ns", 10_000), ("p999_ns", 100_000)])
def test_a_tail_needs_a_hundred_observations_beyond_it(name: str, enough: int) -> None:
    quantile = QUANTILES[name]
    assert quantile_ns(histogram([(1, 2, enough)]), quantile) is not None
    assert quantile_ns(histogram([(1, 2, enough - 1)]), quantile) is None


def test_the_highest_quantile_needs_a_million() -> None:
    assert quantile_ns(histogram([(1, 2, 1_000_000)]), 0.9999) is not None
    assert quantile_ns(histogram([(1, 2, 999_999)]), 0.9999) is None


def test_the_median_needs_one_observation() -> None:
    assert quantile_ns(histogram([(100, 200, 1)]), 0.5) == 150.0
    assert quantile_ns(histogram([]), 0.5) is None


def test_counts_that_do_not_add_up() -> None:
    broken = {**histogram([(1, 2, 10)]), "total": 1000}
    with pytest.raises(ValueError, match="add up to 10 says that it has 1000"):
        quantile_ns(broken, 0.5)


@given(st.lists(st.integers(0, 50_000), min_size=1, max_size=40))
def test_quantiles_rise_and_stay_within_what_was_seen(counts: list[int]) -> None:
    seen = histogram([(10 * at, 10 * at + 10, count) for at, count in enumerate(counts)])
    values = [value for name in QUANTILES if (value := quantile_ns(seen, QUANTILES[name])) is not None]
    assert all(low <= high for low, high in pairwise(values))
    assert all(0 <= value <= 10 * len(counts) for value in values)


def test_metrics_of_a_run() -> None:
    figures = {
        "operations": 3000,
        "swap_ins": 1000,
        "events": {"tick_sleeps": 7},
        "histograms": {"swap_in": histogram([(1000, 2000, 1000)])},
    }
    assert metrics(figures, 1_500_000_000, 900) == {
        "p50_ns": 1500.0,
        "p90_ns": 1900.0,
        "p99_ns": None,
        "p999_ns": None,
        "p9999_ns": None,
        "throughput_ops_s": 2000.0,
        "operations": 3000,
        "swap_ins": 1000,
        "tick_sleeps": 7,
        "elapsed_ns": 1_500_000_000,
        "cpu_ns": 900,
    }


def test_metrics_of_a_run_that_swapped_nothing_in() -> None:
    nothing = metrics({"operations": 0, "swap_ins": 0, "events": {}, "histograms": {}}, 0, 0)
    assert nothing["p50_ns"] is None
    assert nothing["throughput_ops_s"] is None
    assert nothing["tick_sleeps"] == 0
