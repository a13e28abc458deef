"""How response times are grouped: two significant digits, below a millisecond too."""

from __future__ import annotations

from math import floor, log10


def two_digits(response_time_ms: float) -> float:
    """A response time in ms to two significant digits: 0.0347 is 0.035, 7.25 is 7.2, 1234 is 1200.

    A float, where Locust's own grouping (`locust.stats.bucket_response_time`) gives whole milliseconds, and so 0 for
    everything below half of one. At most 90 groups a decade: as few as Locust's in what they cost. Times of 0 and
    below, from a clock that stood, are 0.
    """
    if response_time_ms <= 0:
        return 0.0
    return round(response_time_ms, 1 - floor(log10(response_time_ms)))


def proper_round(value: float, digits: int = 0) -> float:
    """What Locust rounds extremes (and, with `digits`, averages) with; whole milliseconds only from 100 ms on."""
    return two_digits(value) if digits == 0 and value < 100 else round(value, digits)
