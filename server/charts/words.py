"""Figures on axes and beside marks."""

from __future__ import annotations


def ns_text(value_ns: float, *, digits: int = 3) -> str:
    """A time with its unit and up to `digits` digits: 10 us, 4 ms, 1.5 s."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3), ("ns", 1.0)):
        if value_ns >= size * 0.9995 or unit == "ns":
            return f"{_plain(value_ns / size, digits)} {unit}"
    raise AssertionError(value_ns)


def _plain(value: float, digits: int) -> str:
    text = f"{value:.{digits}g}"
    return f"{float(text):.0f}" if "e" in text else text


def percentile_text(tail: float) -> str:
    """1 / (1 - percentile) as people write it: 2 is 50 %, 1000 is 99.9 %."""
    return f"{100 * (1 - 1 / tail):.8g} %"


def ratio_text(ratio: float) -> str:
    """A ratio on an axis: x 0.5, x 2."""
    return f"x {ratio:.3g}"


def rate_text(rate: float, *, digits: int = 3) -> str:
    """A rate a second with up to `digits` digits: 50 k/s, 1.5 M/s."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if rate >= size * 0.9995:
            return f"{_plain(rate / size, digits)} {unit}/s"
    return f"{_plain(rate, digits)} /s"
