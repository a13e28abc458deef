"""Quantiles of a histogram against those of the observations themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.compare.quantiles import enough_beyond, quantile_ns
from tests.compare.synthetic_runs import histogram
from workers.outcome import Histogram


@given(st.lists(st.integers(1, 10**8), min_size=1, max_size=300), st.floats(0, 1))
def test_a_quantile_lies_within_a_bucket_of_the_true_one(values: list[int], q: float) -> None:
    found = quantile_ns(histogram(values), q)
    rank = max(1, int(np.ceil(q * len(values) - 1e-9)))
    true = sorted(values)[rank - 1]
    assert found is not None
    assert found == pytest.approx(true, rel=1 / 32, abs=1)


def test_many_observations_are_interpolated() -> None:
    found = quantile_ns(histogram(np.arange(1, 100_001)), 0.5)
    assert found == pytest.approx(50_000, rel=0.001)


def test_an_empty_histogram_has_no_quantile() -> None:
    empty = Histogram(lower_ns=[], upper_ns=[], counts=[], total=0, sum_ns=0, max_ns=0)
    assert quantile_ns(empty, 0.5) is None


def test_nothing_lies_above_the_greatest() -> None:
    assert quantile_ns(histogram([1000, 1001, 1_000_003]), 1.0) == 1_000_003


def test_enough_beyond_is_exact_at_the_bound() -> None:
    assert enough_beyond(100_000, 0.999, 100)
    assert not enough_beyond(99_990, 0.999, 100)
