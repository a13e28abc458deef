"""The supervisor over the compiled core: it runs, it is watched, and it is thrown away when it must be."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from shm import segment as segment_module
from workers.catalogue import SOUND
from workers.executors.watch import Silence
from workers.outcome import WAIT_CAUSES, Event
from workers.run import execute
from workers.spec import RunSpec

Supervise = Callable[..., Any]
Children = Callable[[int], list[int]]
DEVICES = ["zram", "disk"]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("protocol", SOUND)
def test_a_sound_protocol_succeeds(supervise: Supervise, protocol: str, device: str) -> None:
    supervisor = supervise()
    supervisor.say({"protocol": protocol, "seconds": 0.3, "device": {"kind": device}})
    outcome = supervisor.outcome()
    assert (outcome.status, outcome.violations) == ("succeeded", []), outcome.reason
    assert outcome.metrics["operations"] > 0
    assert outcome.metrics["swap_ins"] > 0
    assert outcome.metrics["p50_ns"] > 0
    assert set(outcome.waits) >= set(WAIT_CAUSES)
    assert outcome.laws_checked
    assert outcome.environment["build"]["layout_version"] == segment_module.LAYOUT_VERSION


@pytest.mark.parametrize("scenario", ["fork_fault", "usemem"])
def test_other_scenarios_succeed(supervise: Supervise, scenario: str) -> None:
    supervisor = supervise()
    supervisor.say({"protocol": "swap_cache", "scenario": scenario, "seconds": 0.3})
    outcome = supervisor.outcome()
    assert outcome.status == "succeeded", outcome.reason


def test_the_null_protocol_violates(supervise: Supervise) -> None:
    supervisor = supervise()
    supervisor.say({"protocol": "unsynchronized", "cpus": 4, "seconds": 1.0})
    outcome = supervisor.outcome()
    assert (outcome.status, outcome.reason_code) == ("failed", "law_violated"), outcome.reason
    assert {violation.law for violation in outcome.violations} <= set(outcome.laws_checked)


@pytest.mark.parametrize("device", DEVICES)
def test_a_killed_worker_ends_the_attempt_within_a_second(
    supervise: Supervise, children: Children, device: str
) -> None:
    supervisor = supervise()
    supervisor.say({"protocol": "swap_cache", "cpus": 3, "seconds": 60, "device": {"kind": device}})
    supervisor.until("running")
    workers = children(supervisor.pid)
    assert len(workers) == 3 + (device == "disk")
    killed_ns = time.monotonic_ns()
    os.kill(workers[-1], signal.SIGKILL)
    outcome = supervisor.outcome()
    assert time.monotonic_ns() - killed_ns < 1_000_000_000
    assert (outcome.status, outcome.reason_code) == ("lost", "worker_died")
    assert outcome.evidence["died"]["pid"] == workers[-1]
    assert outcome.evidence["figures"]["operations"] >= 0
    assert outcome.metrics == {}


@pytest.mark.parametrize("device", DEVICES)
def test_cancel_while_it_runs(supervise: Supervise, device: str) -> None:
    supervisor = supervise()
    supervisor.say({"protocol": "has_cache", "cpus": 3, "seconds": 60, "device": {"kind": device}})
    sample = supervisor.until("sample").sample
    assert sample["operations"] == sum(value for name, value in sample.items() if name.startswith("operations_cpu"))
    supervisor.say({"command": "cancel"})
    assert supervisor.outcome().status == "cancelled"


def test_a_geometry_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_module, "free_bytes", lambda: 1 << 20)
    events: list[Event] = []
    spec = RunSpec.model_validate({"protocol": "swap_cache", "folios": 1 << 16, "payload_bytes": 4096})
    outcome = execute(spec, events.append, Silence(), None)
    assert (outcome.status, outcome.reason_code) == ("failed", "geometry_refused")
    assert outcome.evidence["free_bytes"] == 1 << 20
    assert outcome.evidence["asked_bytes"] > (1 << 16) * 4096
    assert [event.event for event in events] == ["started"]


@pytest.mark.parametrize(
    "wrong", [{"protocol": "none_of_ours"}, {"scenario": "trace", "trace": "/nowhere/at/all.swpt"}]
)
def test_a_spec_that_names_what_is_not_there(supervise: Supervise, wrong: dict[str, str]) -> None:
    supervisor = supervise()
    supervisor.say({"protocol": "swap_cache", "seconds": 0.1, **wrong})
    outcome = supervisor.outcome()
    assert (outcome.status, outcome.reason_code) == ("failed", "bad_spec"), outcome.reason
    assert next(reversed(wrong.values())) in outcome.reason


def test_an_exploration(supervise: Supervise) -> None:
    supervisor = supervise()
    cooperative = {"schedules": 50}
    supervisor.say({"protocol": "swap_cache", "executor": "cooperative", "cooperative": cooperative})
    outcome = supervisor.outcome()
    assert outcome.status == "succeeded", outcome.reason
    assert supervisor.events[0].segment is None


def test_a_schedule_that_is_none(supervise: Supervise) -> None:
    supervisor = supervise()
    cooperative = {"scheduler": "replay", "schedule": "no hex at all"}
    supervisor.say({"protocol": "swap_cache", "executor": "cooperative", "cooperative": cooperative})
    outcome = supervisor.outcome()
    assert (outcome.status, outcome.reason_code) == ("failed", "bad_spec"), outcome.reason


def test_an_exploration_is_cancelled_in_time(supervise: Supervise) -> None:
    supervisor = supervise()
    cooperative = {"schedules": 100_000_000}
    supervisor.say({"protocol": "swap_cache", "executor": "cooperative", "cooperative": cooperative})
    supervisor.until("heartbeat")
    supervisor.say({"command": "cancel"})
    said_ns = time.monotonic_ns()
    outcome = supervisor.outcome()
    assert time.monotonic_ns() - said_ns < 1_000_000_000
    assert outcome.status == "cancelled"


def test_a_core_that_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ImportError("No module named 'shm.layout'")

    monkeypatch.setattr("workers.run.CompiledCore", missing)
    outcome = execute(RunSpec.model_validate({"protocol": "swap_cache"}), lambda _: None, Silence(), None)
    assert (outcome.status, outcome.reason_code) == ("failed", "core_missing")
    assert "make setup" in outcome.reason
