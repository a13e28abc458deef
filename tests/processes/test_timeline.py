"""The timeline of a run of real processes: one contention out of the CPUs' trace rings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from workers.timeline import MAX_RECORDS, Timeline

Supervise = Callable[..., Any]


def timeline_of(supervise: Supervise, protocol: str, **more: Any) -> Timeline | None:
    supervisor = supervise()
    supervisor.say({"protocol": protocol, "seconds": 0.6, "cpus": 2, **more})
    outcome = supervisor.outcome()
    assert outcome.status == "succeeded", outcome.reason
    found: Timeline | None = outcome.timeline
    return found


def test_a_run_keeps_none_unless_it_is_asked_to(supervise: Supervise) -> None:
    assert timeline_of(supervise, "has_cache") is None


@pytest.fixture
def slept(supervise: Supervise) -> Timeline:
    """A timeline with a tick sleep in it: two threads on the same pages collide some hundred times a second."""
    for seed in range(1, 6):
        found = timeline_of(supervise, "has_cache", timeline=True, seed=seed)
        assert found is not None
        if any(step.kind == "tick_sleep" for step in found.steps):
            return found
    raise AssertionError("no run of five slept a tick")


def test_the_loser_of_has_cache_sleeps_one_to_two_ticks_and_then_finds_its_page(slept: Timeline) -> None:
    at = max(place for place, step in enumerate(slept.steps) if step.kind == "tick_sleep")
    sleep = slept.steps[at]
    assert sleep.cause == "tick_sleep"
    assert sleep.duration_ns is not None
    assert sleep.duration_ns >= 1e9 / slept.hz
    after = next(step for step in slept.steps[at + 1 :] if step.cpu == sleep.cpu and step.object is not None)
    assert after.object is not None
    assert after.object.slot is not None


def test_records_stand_in_the_order_of_time_and_are_bounded(slept: Timeline) -> None:
    times = [step.at_ns for step in slept.steps]
    assert times == sorted(times)
    assert times[0] == 0
    assert len(slept.steps) <= MAX_RECORDS
    assert slept.source == "trace"
    assert slept.left_out_before > 0, "the rings hold more than is shown"
    words = {state.word for step in slept.steps for state in step.slots}
    assert words <= {"pfn", "uncached"}


def test_the_cpu_of_a_disk_has_a_lane_of_its_own(supervise: Supervise) -> None:
    found = timeline_of(supervise, "swap_cache", timeline=True, device={"kind": "disk"})
    assert found is not None
    assert found.cpus == ["cpu0", "cpu1", "disk"]
