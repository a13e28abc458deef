"""The supervisor as a process: JSON in, JSON out, and every way in which whoever asked can end it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shm.segment import entries, start_time, sweep_orphans
from workers.executors.watch import readable

Supervise = Callable[..., Any]
Children = Callable[[int], list[int]]
ANSWER_NS = 10_000_000_000  # to start an interpreter on a loaded machine
STEADY = {"protocol": "steady", "cpus": 3, "seconds": 600}


def gone(pids: list[int]) -> bool:
    """Whether all of `pids` go within five seconds, children or not."""
    until_ns = time.monotonic_ns() + 5_000_000_000
    while time.monotonic_ns() < until_ns:
        if all(start_time(pid) is None for pid in pids):
            return True
    return False


def read_on(fileno: int, until: bytes | None = None) -> bytes:
    """What comes up to and with `until`, or up to the end, within ANSWER_NS."""
    limit_ns = time.monotonic_ns() + ANSWER_NS
    read = b""
    while until is None or until not in read:
        assert readable([fileno], limit_ns - time.monotonic_ns()), f"no end after {read!r}"
        data = os.read(fileno, 1 << 16)
        if not data:
            break
        read += data
    return read


def test_a_run_from_spec_to_outcome(supervise: Supervise) -> None:
    supervisor = supervise(faulty=True)
    supervisor.say({**STEADY, "seconds": 1.2})
    outcome = supervisor.outcome()
    assert outcome.status == "succeeded"
    assert [event.event for event in supervisor.events] == ["started", "running", "heartbeat", "sample", "outcome"]
    assert supervisor.events[0].pid == supervisor.pid
    assert supervisor.events[0].segment.startswith(f"/swaprace-{supervisor.pid}-")
    assert supervisor.process.returncode == 0


def test_it_leads_its_own_session(supervise: Supervise, children: Children) -> None:
    supervisor = supervise(faulty=True)
    supervisor.say(STEADY)
    supervisor.until("running")
    assert os.getsid(supervisor.pid) == supervisor.pid
    assert {os.getsid(pid) for pid in children(supervisor.pid)} == {supervisor.pid}
    supervisor.hang_up()
    supervisor.outcome()


def test_cancel_by_command(supervise: Supervise) -> None:
    supervisor = supervise(faulty=True)
    supervisor.say(STEADY)
    supervisor.until("running")
    supervisor.say("{not a command")
    supervisor.say({"command": "cancel"})
    outcome = supervisor.outcome()
    assert (outcome.status, outcome.reason) == ("cancelled", "cancelled by command")
    assert "not a command: b'{not a command'" in supervisor.log.read_text()
    assert supervisor.process.returncode == 0


def test_end_of_file_cancels(supervise: Supervise) -> None:
    supervisor = supervise(faulty=True)
    supervisor.say(STEADY)
    supervisor.until("running")
    supervisor.hang_up()
    outcome = supervisor.outcome()
    assert outcome.status == "cancelled"
    assert "end of file" in outcome.reason


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_cancels(supervise: Supervise, number: signal.Signals) -> None:
    supervisor = supervise(faulty=True)
    supervisor.say(STEADY)
    supervisor.until("running")
    supervisor.process.send_signal(number)
    outcome = supervisor.outcome()
    assert (outcome.status, outcome.reason) == ("cancelled", f"cancelled by {number.name}")
    assert supervisor.process.returncode == 0


def test_nobody_reading_cancels(supervise: Supervise) -> None:
    supervisor = supervise(faulty=True)
    supervisor.say(STEADY)
    supervisor.until("running")
    supervisor.process.stdout.close()
    assert supervisor.process.wait(30) == 1


def test_the_deadline_counts_from_the_start(supervise: Supervise) -> None:
    supervisor = supervise("1.5", faulty=True)
    supervisor.say(STEADY)
    outcome = supervisor.outcome()
    assert (outcome.status, outcome.reason_code) == ("timed_out", "deadline")
    assert supervisor.process.returncode == 0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "Invalid JSON"),
        ("[]", "object"),
        ("{}", "protocol: Field required"),
        ('{"protocol": "steady", "cpus": 0}', "cpus: Input should be greater than or equal to 1"),
        ('{"protocol": "steady", "device": {"kind": "tape"}}', "device.kind: "),
        ('{"protocol": "steady", "colour": 1}', "colour: Extra inputs are not permitted"),
        ('{"protocol": "steady", "scenario": "trace"}', "scenario trace needs 'trace'"),
    ],
)
def test_a_spec_that_cannot_be_read(supervise: Supervise, line: str, words: str) -> None:
    supervisor = supervise()
    supervisor.say(line)
    outcome = supervisor.outcome()
    assert (outcome.status, outcome.reason_code) == ("failed", "bad_spec")
    assert words in outcome.reason
    assert supervisor.process.returncode == 2
    assert [event.event for event in supervisor.events] == ["outcome"]


def test_a_spec_without_end(supervise: Supervise) -> None:
    supervisor = supervise()
    with contextlib.suppress(BrokenPipeError):  # it need not read to the end
        supervisor.say(json.dumps({"protocol": "x" * (2 << 20)}))
    outcome = supervisor.outcome()
    assert outcome.reason_code == "bad_spec"
    assert "1048576 bytes" in outcome.reason


def test_end_of_file_before_any_spec(supervise: Supervise) -> None:
    supervisor = supervise()
    supervisor.hang_up()
    assert supervisor.outcome().status == "cancelled"


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon"])
def test_a_deadline_that_is_none(supervise: Supervise, text: str) -> None:
    supervisor = supervise(f"--deadline-seconds={text}")
    assert supervisor.process.wait(30) == 2
    assert f"{text!r} is not a number of seconds above 0" in supervisor.log.read_text()


def test_sigkill_of_the_supervisor_takes_its_workers_along(supervise: Supervise, children: Children) -> None:
    supervisor = supervise(faulty=True)
    supervisor.say(STEADY)
    supervisor.until("running")
    segment = supervisor.events[0].segment.lstrip("/")
    workers = children(supervisor.pid)
    assert len(workers) == 3
    os.kill(workers[0], signal.SIGSTOP)  # a stopped one too
    supervisor.process.send_signal(signal.SIGKILL)
    supervisor.process.wait(30)
    assert gone(workers)
    assert segment in entries()
    assert segment in sweep_orphans()
    assert segment not in entries()


def test_the_owner_counts_as_gone_while_it_is_a_zombie(supervise: Supervise) -> None:
    supervisor = supervise(faulty=True)
    supervisor.say(STEADY)
    supervisor.until("running")
    segment = supervisor.events[0].segment.lstrip("/")
    supervisor.process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, supervisor.pid, os.WEXITED | os.WNOWAIT)  # dead, and not reaped
    assert segment in sweep_orphans()


def test_the_death_of_the_parent_cancels(supervise: Supervise, checkout: Path, tmp_path: Path) -> None:
    """A parent that dies of SIGKILL while another process keeps the supervisor's standard input open."""
    read, write = os.pipe()
    os.write(write, json.dumps(STEADY).encode() + b"\n")
    program = (
        "import subprocess, sys, signal\n"
        "subprocess.Popen([sys.executable, 'tests/processes/faulty_core.py'], stdin=int(sys.argv[1]))\n"
        "signal.pause()\n"
    )
    command = [sys.executable, "-c", program, str(read)]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    said = b""
    try:
        with subprocess.Popen(
            command, cwd=checkout, env=environment, pass_fds=[read], stdout=subprocess.PIPE
        ) as parent:
            assert parent.stdout is not None
            said += read_on(parent.stdout.fileno(), until=b'"running"')
            parent.kill()
            said += read_on(parent.stdout.fileno())
    finally:
        os.close(write)  # a supervisor that has not noticed ends now
        os.close(read)
    last = said.splitlines()[-1]
    outcome = json.loads(last)["outcome"]
    assert (outcome["status"], outcome["reason"]) == ("cancelled", "cancelled by SIGTERM")
