"""A supervisor with a journal: it outlives whoever started it, and each attempt is taken up once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shm.segment import start_time
from workers.outcome import Event
from workers.spec import RunSpec, canonical

SHORT = RunSpec(protocol="swap_cache", seconds=0.2)
LONG = RunSpec(protocol="swap_cache", seconds=50)
PATIENCE_SECONDS = 60
STARTER = (
    "import subprocess, sys; p = subprocess.Popen([sys.executable, '-m', 'workers', *sys.argv[1:]],"
    " start_new_session=True); print(p.pid, flush=True); input()"
)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "a.journal"


def events_of(journal: Path) -> list[Event]:
    whole, _, _ = journal.read_bytes().rpartition(b"\n")  # what follows is being written
    return [Event.model_validate_json(line) for line in whole.splitlines()[1:]]


def until(journal: Path, kind: str) -> Event:
    """The first event of a kind, once it is there."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        for event in events_of(journal):
            if event.event == kind:
                return event
    raise AssertionError(f"no {kind} within {PATIENCE_SECONDS} s: {journal.read_text()[:2000]}")


def supervise(checkout: Path, journal: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workers", "--journal", str(journal)]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=PATIENCE_SECONDS)


def test_an_attempt_is_taken_up_once(checkout: Path, journal: Path) -> None:
    journal.write_text(canonical(SHORT) + "\n")
    first, second = (supervise(checkout, journal) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 3), (first.stderr, second.stderr)
    assert "holds events already" in second.stderr
    events = events_of(journal)
    assert [event.event for event in events if event.event != "sample"][:2] == ["started", "running"]
    assert [event.event for event in events].count("outcome") == 1
    assert events[-1].outcome is not None
    assert events[-1].outcome.status == "succeeded"


def test_a_spec_that_is_none_is_told(checkout: Path, journal: Path) -> None:
    journal.write_text('{"protocol": 1}\n')
    assert supervise(checkout, journal).returncode == 2
    (outcome,) = events_of(journal)
    assert outcome.outcome is not None
    assert outcome.outcome.reason_code == "bad_spec"


@pytest.mark.parametrize("dies_too", [False, True])
def test_whoever_started_it_dies(checkout: Path, journal: Path, dies_too: bool) -> None:
    journal.write_text(canonical(LONG) + "\n")
    options = ["--journal", str(journal), *(["--die-with-parent"] if dies_too else [])]
    command = [sys.executable, "-c", STARTER, *options]
    with subprocess.Popen(command, cwd=checkout, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        until(journal, "running")
        starter.kill()
    if not dies_too:
        samples = len(events_of(journal))
        while len(events_of(journal)) == samples:  # it goes on
            assert start_time(pid) is not None
        taken = supervise(checkout, journal)
        assert (taken.returncode, "another supervisor holds" in taken.stderr) == (3, True)
        os.kill(pid, signal.SIGTERM)
    told = until(journal, "outcome")
    assert told.outcome is not None
    assert told.outcome.status == "cancelled"
