"""Shapes of a load test: how many users there are at a moment, and when CPU users storm. Plain functions of time."""

from __future__ import annotations

SHAPES = ("constant", "ramp", "spike", "swapoff_storm")
DEFAULT_SECONDS = 120.0  # of a shape when no run time is given
RAMP_SHARE = 0.8  # of the time is spent on the way up, the rest at the top
SPIKE = (0.4, 0.6)  # of the time; before and after it there is one user in five
CALM_PART = 5
STORMS = 5  # of a test; each takes the last third of its part of the time
STORM_SHARE = 1 / 3


def users_at(shape: str, at_seconds: float, seconds: float, users: int) -> int:
    """API users of a test of `seconds` at a moment of it; at least one where there are any."""
    part = min(1.0, max(0.0, at_seconds / seconds))
    if shape == "ramp":
        wanted = users * min(1.0, part / RAMP_SHARE)
    elif shape == "spike":
        wanted = users if SPIKE[0] <= part < SPIKE[1] else users / CALM_PART
    else:
        wanted = users
    return min(users, max(1, round(wanted)))


def is_storm(shape: str, at_seconds: float, seconds: float) -> bool:
    """Whether every CPU user takes the device down and up again, as fast as it can."""
    if shape != "swapoff_storm":
        return False
    part = (at_seconds / seconds * STORMS) % 1.0
    return part >= 1.0 - STORM_SHARE
