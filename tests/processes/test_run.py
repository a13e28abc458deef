"""Every way a run can end, with real processes over a real segment. That nothing is left is checked after each test."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from shm.segment import entries
from workers.executors.processes import grace_ns
from workers.outcome import Event, Outcome
from workers.spec import RunSpec

Perform = Callable[..., Outcome]
Workers = Callable[[], list[int]]


def number(value: float | int | None) -> float:
    """A figure that must be there."""
    assert value is not None
    return value


def test_a_run_is_through(perform: Perform) -> None:
    events: list[Event] = []
    outcome = perform(events.append)
    assert (outcome.status, outcome.reason_code) == ("succeeded", "completed")
    assert [event.event for event in events] == ["started", "running"]
    assert events[0].pid == os.getpid()
    assert events[0].segment is not None
    assert events[0].segment.startswith(f"/swaprace-{os.getpid()}-")
    assert outcome.laws_checked == ["C1", "C2"]
    assert number(outcome.metrics["operations"]) > 0
    assert 50_000_000 <= outcome.elapsed_ns < 2_000_000_000
    throughput_ops_s = number(outcome.metrics["operations"]) * 1e9 / outcome.elapsed_ns
    assert outcome.metrics["throughput_ops_s"] == pytest.approx(throughput_ops_s)
    assert number(outcome.metrics["cpu_ns"]) > 0
    assert outcome.metrics["tick_sleeps"] == 3
    assert outcome.waits["tick_sleep"].max_ns == 4_100_000
    assert outcome.histograms["swap_in"].total == 1000
    assert outcome.environment["kernel"] == os.uname().release
    assert Outcome.model_validate_json(outcome.model_dump_json()) == outcome


def test_the_segment_is_announced_before_it_is_made(perform: Perform) -> None:
    there: dict[str, list[str]] = {}

    def look(event: Event) -> None:
        there[event.event] = [name for name in entries() if name == str(event.segment or segment[0]).lstrip("/")]
        segment[:] = [event.segment or segment[0]]

    segment = [""]
    perform(look)
    assert there["started"] == []
    assert there["running"] == [segment[0].lstrip("/")]


def test_no_name_of_a_semaphore_is_there_while_the_cpus_run(perform: Perform) -> None:
    seen: list[str] = []
    perform(lambda event: seen.extend(name for name in entries() if name.startswith(f"sem.swaprace-{os.getpid()}-")))
    assert seen == []


def test_a_run_whose_operations_are_done_ends_early(perform: Perform) -> None:
    outcome = perform(protocol="finishes", seconds=60)
    assert outcome.status == "succeeded"
    assert outcome.metrics["operations"] == 3000


def test_the_device_of_a_disk_serves_until_all_cpus_have_left(perform: Perform, workers: Workers) -> None:
    seen: list[int] = []
    outcome = perform(
        lambda event: seen.extend(workers() if event.event == "running" else []),
        protocol="finishes",
        seconds=60,
        device={"kind": "disk"},
    )
    assert outcome.status == "succeeded"
    assert len(seen) == 4


def test_laws_off_checks_none(perform: Perform) -> None:
    outcome = perform(protocol="laws_crash", laws="off")
    assert outcome.status == "succeeded"
    assert outcome.laws_checked == []


def test_samples_come_once_a_second(perform: Perform) -> None:
    events: list[Event] = []
    perform(events.append, seconds=2.5)
    samples = [event.sample for event in events if event.event == "sample"]
    assert len(samples) == 2
    assert len([event for event in events if event.event == "heartbeat"]) == 2
    first, second = samples
    assert first is not None
    assert second is not None
    assert first["operations"] == sum(number(first[f"operations_cpu{cpu}"]) for cpu in range(3))
    assert number(second["operations"]) > number(first["operations"]) > 0
    assert number(second["elapsed_ns"]) - number(first["elapsed_ns"]) > 900_000_000


def test_a_violated_law_fails_the_run_and_keeps_its_figures(perform: Perform) -> None:
    outcome = perform(protocol="violates")
    assert (outcome.status, outcome.reason_code) == ("failed", "law_violated")
    assert outcome.violations[0].law == "C1"
    assert outcome.violations[0].count == 2
    assert number(outcome.metrics["operations"]) > 0


def test_a_fault_of_the_core_fails_the_run_at_once(perform: Perform) -> None:
    outcome = perform(protocol="fault", seconds=60)
    assert (outcome.status, outcome.reason_code) == ("failed", "core_fault")
    assert outcome.evidence["faults"] == [{"cpu": 2, "code": 7}]


@pytest.mark.parametrize(
    ("protocol", "status", "code", "words"),
    [
        ("crashes", "lost", "worker_died", "CPU 2 .* died of SIGSEGV"),
        ("exits", "lost", "worker_died", "CPU 2 .* exited with code 0"),
        ("dies_before_gate", "lost", "worker_died", "CPU 2 .* died of SIGSEGV"),
        ("raises", "failed", "worker_raised", "CPU 2 raised RuntimeError: an operation that is not there"),
        ("construction_raises", "failed", "worker_raised", "CPU 2 raised RuntimeError: no program"),
        ("format_crashes", "lost", "core_crashed", "the formatting died of SIGSEGV"),
        ("format_raises", "failed", "core_raised", "MemoryError: no folio left"),
        ("laws_crash", "lost", "core_crashed", "the check of the laws died of SIGSEGV"),
        ("unknown", "failed", "bad_spec", "no protocol 'unknown'"),
        ("immense", "failed", "geometry_refused", "needs 1125899906842624 bytes"),
    ],
)
def test_what_goes_wrong_is_told(perform: Perform, protocol: str, status: str, code: str, words: str) -> None:
    outcome = perform(protocol=protocol, seconds=60 if status == "lost" and "laws" not in protocol else 0.05)
    assert (outcome.status, outcome.reason_code) == (status, code)
    assert re.search(words, outcome.reason)
    assert outcome.metrics == {}


def test_a_refused_geometry_creates_nothing(perform: Perform) -> None:
    names: list[str] = []
    outcome = perform(lambda _: names.extend(entries()), protocol="immense")
    assert [name for name in names if f"-{os.getpid()}-" in name] == []
    assert outcome.evidence["asked_bytes"] == 1 << 50
    assert 0 < outcome.evidence["free_bytes"] < 1 << 50


def test_a_killed_worker_ends_the_attempt_within_a_second(perform: Perform, workers: Workers) -> None:
    killed_ns: list[int] = []
    victims: list[int] = []

    def kill(event: Event) -> None:
        if event.event == "running":
            victims.extend(workers())
            killed_ns.append(time.monotonic_ns())
            os.kill(victims[1], signal.SIGKILL)

    outcome = perform(kill, seconds=60)
    assert time.monotonic_ns() - killed_ns[0] < 1_000_000_000
    assert (outcome.status, outcome.reason_code) == ("lost", "worker_died")
    assert outcome.evidence["died"] == {"cpu": 1, "pid": victims[1], "how": "died of SIGKILL"}
    assert outcome.evidence["figures"]["operations"] >= 0
    assert [worker["cpu"] for worker in outcome.evidence["workers"]] == [0, 1, 2]
    assert outcome.metrics == {}


def test_a_stopped_worker_is_not_dead(perform: Perform, workers: Workers) -> None:
    stopped: list[int] = []

    def stop(event: Event) -> None:
        if event.event == "running":
            stopped.append(workers()[0])
            os.kill(stopped[0], signal.SIGSTOP)
        if event.event == "heartbeat":  # a second later: 0.8 s after it should have left
            os.kill(stopped[0], signal.SIGCONT)

    outcome = perform(stop, seconds=0.2)
    assert outcome.status == "succeeded"
    assert outcome.elapsed_ns > 800_000_000


def test_a_worker_that_stays_stopped_is_stuck_after_the_grace(perform: Perform, workers: Workers) -> None:
    def stop(event: Event) -> None:
        if event.event == "running":
            os.kill(workers()[0], signal.SIGSTOP)

    began_ns = time.monotonic_ns()
    outcome = perform(stop, seconds=0.1)
    assert time.monotonic_ns() - began_ns >= grace_ns(RunSpec.model_validate({"protocol": "steady"}))
    assert (outcome.status, outcome.reason_code) == ("lost", "stuck")
    assert outcome.evidence["stuck"] == [0]
    assert outcome.evidence["workers"][0]["state"]["state"] == "T"
    assert outcome.evidence["workers"][1]["state"] == "left"


def test_a_worker_that_ignores_stop_is_stuck(perform: Perform) -> None:
    outcome = perform(protocol="stuck")
    assert (outcome.status, outcome.reason_code) == ("lost", "stuck")
    assert outcome.evidence["stuck"] == [2]


def test_a_law_that_a_step_has_told_broken_is_why_a_run_is_stuck(perform: Perform) -> None:
    outcome = perform(protocol="stuck_after_warnings")
    assert (outcome.status, outcome.reason_code) == ("failed", "law_violated")
    assert outcome.reason.startswith("violated: T3; then CPUs [2] did not leave within ")
    assert [(violation.law, violation.count) for violation in outcome.violations] == [("T3", 5)]
    assert outcome.laws_checked == ["T3"]
    assert outcome.evidence["stuck"] == [2]


def test_a_cancelled_run_is_cancelled_whatever_its_steps_have_told(perform: Perform, ear) -> None:
    outcome = perform(lambda event: ear.cancel() if event.event == "running" else None, protocol="steady_warns")
    assert (outcome.status, outcome.reason_code) == ("cancelled", "cancelled")
    assert [violation.law for violation in outcome.violations] == ["T3"]


@pytest.mark.parametrize(
    "slow",
    [
        {"device": {"kind": "disk", "read_ns": 10_000_000}},
        {"zswap": {"pool_pages": 8, "store_ns": 10_000_000}},
        {"zswap": {"pool_pages": 8, "load_ns": 10_000_000}},
    ],
)
def test_the_grace_grows_with_the_device_and_with_zswap(slow: dict[str, Any]) -> None:
    steady = grace_ns(RunSpec.model_validate({"protocol": "steady"}))
    assert grace_ns(RunSpec.model_validate({"protocol": "steady", **slow})) > steady + 600_000_000


def test_the_times_of_zswap_count_where_there_is_a_pool() -> None:
    none = RunSpec.model_validate({"protocol": "steady", "zswap": {"store_ns": 10_000_000}})
    assert grace_ns(none) == grace_ns(RunSpec.model_validate({"protocol": "steady"}))


@pytest.mark.parametrize("moment", ["started", "running", "heartbeat"])
def test_a_cancel_ends_the_run_at_any_moment(perform: Perform, ear, moment: str) -> None:
    outcome = perform(lambda event: ear.cancel() if event.event == moment else None, seconds=60)
    assert (outcome.status, outcome.reason_code) == ("cancelled", "cancelled")
    assert outcome.reason == "the test cancels"
    assert ("figures" in outcome.evidence) == (moment != "started")


@pytest.mark.parametrize("protocol", ["steady", "format_hangs", "laws_hang"])
def test_the_deadline_ends_the_run_in_any_phase(perform: Perform, protocol: str) -> None:
    began_ns = time.monotonic_ns()
    outcome = perform(protocol=protocol, seconds=0.1 if protocol == "laws_hang" else 600, deadline_seconds=0.5)
    assert (outcome.status, outcome.reason_code) == ("timed_out", "deadline")
    assert time.monotonic_ns() - began_ns < 1_500_000_000


def test_an_error_in_the_supervisor_leaves_nothing(perform: Perform) -> None:
    def fail(event: Event) -> None:
        if event.event == "running":
            raise ZeroDivisionError("a defect of ours")

    outcome = perform(fail, seconds=60)
    assert (outcome.status, outcome.reason_code) == ("failed", "internal_error")
    assert "a defect of ours" in outcome.evidence["traceback"]


def test_what_a_version_is_known_to_break_is_told_and_fails_no_run(perform: Perform) -> None:
    outcome = perform(protocol="known")
    assert (outcome.status, outcome.reason_code, outcome.violations) == ("succeeded", "completed", [])
    assert [(breach.law, breach.known) for breach in outcome.known] == [("Q6", "museum 27: as it is")]
    assert perform(protocol="known", laws="off").known == []


def test_an_exploration_is_through(perform: Perform) -> None:
    outcome = perform(executor="cooperative", protocol="quiet")
    assert (outcome.status, outcome.laws_checked) == ("succeeded", ["C1", "C2"])


def test_a_violation_found_by_exploration_carries_its_schedule(perform: Perform) -> None:
    outcome = perform(executor="cooperative", protocol="violates")
    assert (outcome.status, outcome.reason_code) == ("failed", "law_violated")
    assert outcome.violations[0].schedule == "0001"


def test_a_crash_of_the_explorer_does_not_take_the_supervisor(perform: Perform) -> None:
    outcome = perform(executor="cooperative", protocol="crashes")
    assert (outcome.status, outcome.reason_code) == ("lost", "core_crashed")
    assert "SIGSEGV" in outcome.reason


def test_a_cancelled_exploration_tells_what_it_has_found(perform: Perform, ear) -> None:
    outcome = perform(
        lambda event: ear.cancel() if event.event == "sample" else None, executor="cooperative", protocol="steady"
    )
    assert outcome.status == "cancelled"
    assert outcome.evidence["progress"] == {"schedules": 1}
    assert outcome.evidence["partial"]["operations"] > 1


def test_a_hanging_exploration_ends_at_its_deadline(perform: Perform) -> None:
    outcome = perform(executor="cooperative", protocol="stuck", deadline_seconds=0.3)
    assert outcome.status == "timed_out"
    assert outcome.evidence["partial"] is None
