"""`python -m workers.explorer`: JSON in, JSON out, and nothing left behind however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from workers.exploration import ExplorationEvent, ExplorationOutcome

PATIENCE_S = 60


def started(checkout: Path, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "workers.explorer", *options],
        cwd=checkout,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def asked(process: subprocess.Popen[bytes], spec: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(spec).encode() + b"\n")
    process.stdin.flush()


def outcome_of(process: subprocess.Popen[bytes]) -> ExplorationOutcome:
    """The last line, and the process has ended. Standard input stays open until then: its end would be a cancel."""
    assert process.stdout is not None
    lines = process.stdout.read().splitlines()
    process.wait(PATIENCE_S)
    assert process.stdin is not None
    process.stdin.close()
    process.stdout.close()
    last = ExplorationEvent.model_validate_json(lines[-1])
    assert last.event == "outcome"
    assert last.outcome is not None
    return last.outcome


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_finding_comes_with_all_that_is_needed(checkout: Path) -> None:
    process = started(checkout)
    asked(process, {"protocol": "swap_cache_as_posted", "scenario": "memcg_exit", "seconds": 10, "jobs": 2})
    outcome = outcome_of(process)
    assert process.returncode == 0
    assert outcome.status == "found"
    assert outcome.schedules_per_second > 0
    finding = outcome.findings[0]
    assert finding.token.startswith("sr1-")
    assert finding.diagram
    assert finding.timeline is not None
    assert outcome.environment["kernel"]


def test_a_clean_exploration_says_what_it_has_covered(checkout: Path) -> None:
    process = started(checkout)
    asked(process, {"protocol": "swap_cache", "scenario": "memcg_exit", "strategy": "dpor", "seconds": 50})
    outcome = outcome_of(process)
    assert (outcome.status, outcome.exhausted, outcome.findings) == ("clean", True, [])
    assert "all interleavings" in outcome.reason
    assert "exhausted" in outcome.strategies[0].sentence
    assert [breach.law for breach in outcome.known] == ["Q6"]


def test_what_a_version_is_known_to_break_is_no_finding(checkout: Path) -> None:
    process = started(checkout)
    asked(process, {"protocol": "swap_table_count", "scenario": "fault_reclaim_v1", "schedules": 300})
    outcome = outcome_of(process)
    assert (outcome.status, outcome.findings) == ("clean", [])
    assert [breach.law for breach in outcome.known] == ["Q6"]
    assert outcome.known[0].known.startswith("museum 38, cgroup v1")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"protocol": "swap_cache", "scenario": "no_such_race"}, "there is no race 'no_such_race'; there are: "),
        ({"protocol": "no_such_protocol", "scenario": "memcg_exit"}, "protocol 'no_such_protocol' is not known"),
        ({"protocol": "swap_cache", "scenario": "memcg_exit", "second": 3}, "second: Extra inputs are not permitted"),
        (
            {"protocol": "swap_cache", "scenario": "memcg_exit", "strategy": "pct", "bound": 2},
            "belongs to strategy bound",
        ),
    ],
)
def test_what_cannot_be_explored_is_said(checkout: Path, spec: dict[str, Any], said: str) -> None:
    process = started(checkout)
    asked(process, spec)
    outcome = outcome_of(process)
    assert outcome.status == "failed"
    assert said in outcome.reason
    assert process.returncode == (2 if "not an exploration" in outcome.reason else 0)


@pytest.mark.parametrize("how", ["command", "end of input", "signal"])
def test_a_cancel_ends_it_at_once(checkout: Path, how: str) -> None:
    process = started(checkout)
    asked(process, {"protocol": "swap_cache", "scenario": "fault_fault_reclaim", "seconds": 600})
    assert process.stdout is not None
    assert process.stdin is not None
    process.stdout.readline()  # progress: it is under way
    jobs = children_of(process.pid)
    if how == "command":
        process.stdin.write(b'{"command": "cancel"}\n')
        process.stdin.flush()
    elif how == "signal":
        process.send_signal(signal.SIGTERM)
    else:
        process.stdin.close()
    began = time.monotonic()
    lines = process.stdout.read().splitlines()
    process.wait(PATIENCE_S)
    assert time.monotonic() - began < 10
    process.stdout.close()
    process.stdin.close()
    outcome = ExplorationEvent.model_validate_json(lines[-1]).outcome
    assert outcome is not None
    assert outcome.status == "cancelled"
    assert jobs
    assert not [pid for pid in jobs if os.path.exists(f"/proc/{pid}")]


def test_a_deadline_ends_it(checkout: Path) -> None:
    process = started(checkout, "--deadline-seconds", "2")
    asked(process, {"protocol": "swap_cache", "scenario": "fault_fault_reclaim", "seconds": 600})
    outcome = outcome_of(process)
    assert (outcome.status, outcome.reason) == ("cancelled", "the deadline has passed")


def test_a_search_that_is_killed_is_told_as_failed(checkout: Path) -> None:
    process = started(checkout)
    asked(process, {"protocol": "swap_cache", "scenario": "fault_fault_reclaim", "seconds": 600})
    assert process.stdout is not None
    process.stdout.readline()
    os.kill(children_of(process.pid)[0], signal.SIGKILL)
    outcome = outcome_of(process)
    assert outcome.status == "failed"
    assert "died of SIGKILL" in outcome.reason


def test_jobs_die_with_the_explorer(checkout: Path) -> None:
    process = started(checkout)
    asked(process, {"protocol": "swap_cache", "scenario": "fault_fault_reclaim", "seconds": 600, "jobs": 2})
    assert process.stdout is not None
    assert process.stdin is not None
    process.stdout.readline()
    jobs = children_of(process.pid)
    process.kill()
    process.wait(PATIENCE_S)
    process.stdout.close()
    process.stdin.close()
    until = time.monotonic() + 10
    while any(os.path.exists(f"/proc/{pid}") for pid in jobs) and time.monotonic() < until:
        time.sleep(0.05)
    assert len(jobs) == 2
    assert not [pid for pid in jobs if os.path.exists(f"/proc/{pid}")]
