"""Runs in this process, and supervisors in processes of their own."""

from __future__ import annotations

import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

from shm.segment import start_time
from workers.executors.core import Core
from workers.outcome import Event, Outcome
from workers.run import execute
from workers.spec import RunSpec

ANSWER_SECONDS = 30  # for a process on a loaded machine to do what it must; a test that waits so long fails

Emit = Callable[[Event], None]


class Ear:
    """Commands of a run in this process: what the test says, the run hears."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    def filenos(self) -> Sequence[int]:
        return (self._read,)

    def cancelled(self) -> str | None:
        return "the test cancels" if select.select([self._read], [], [], 0)[0] else None

    def cancel(self) -> None:
        os.write(self._write, b"x")

    def close(self) -> None:
        os.close(self._read)
        os.close(self._write)


def children_of(pid: int) -> list[int]:
    """Pids of the living children of a process, in the order of their start."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (start := start_time(int(entry))) is not None:
            try:
                stat = Path(f"/proc/{entry}/stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == pid:
                found.append((start, int(entry)))
    return [pid for _, pid in sorted(found)]


class Supervisor:
    """A supervisor in a process of its own: what it is told, and the events that it prints."""

    def __init__(self, command: list[str], checkout: Path, log: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(checkout)}
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                command, cwd=checkout, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr
            )
        self.log = log
        self.pid = self.process.pid
        self.events: list[Event] = []
        self._rest = b""

    def say(self, message: dict[str, Any] | str) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def hang_up(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def next(self) -> Event | None:
        """The next event; None at the end of output."""
        assert self.process.stdout is not None
        until = time.monotonic() + ANSWER_SECONDS
        while b"\n" not in self._rest:
            if not select.select([self.process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
                raise AssertionError(f"no event within {ANSWER_SECONDS} s; log: {self.log.read_text()}")
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            if not data:
                return None
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        self.events.append(Event.model_validate_json(line))
        return self.events[-1]

    def until(self, kind: str) -> Event:
        while (event := self.next()) is not None:
            if event.event == kind:
                return event
        raise AssertionError(f"output ended before {kind!r}; log: {self.log.read_text()}")

    def outcome(self) -> Outcome:
        """The outcome, which must be the last line, and the end of the process."""
        event = self.until("outcome")
        assert self.next() is None
        self.process.wait(ANSWER_SECONDS)
        assert event.outcome is not None
        return event.outcome

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(ANSWER_SECONDS)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            try:
                stream.close()
            except BrokenPipeError:
                continue  # what was left to say has nobody to hear it


@pytest.fixture(scope="session")
def faulty_core(checkout: Path) -> ModuleType:
    """The core that misbehaves on demand: tests/processes/faulty_core.py."""
    path = checkout / "tests" / "processes" / "faulty_core.py"
    spec = importlib.util.spec_from_file_location("faulty_core", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["faulty_core"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def children() -> Callable[[int], list[int]]:
    """Pids of the living children of a process, in the order of their start."""
    return children_of


@pytest.fixture
def workers() -> Callable[[], list[int]]:
    """Pids of the workers of a run in this process: its children less those that outlive a test.

    A PostgreSQL, a browser, a Dask cluster that tests before this one have started are children of this process too,
    older than any worker: to stop or kill one of them would harm the tests after this one and prove nothing.
    """
    others = set(children_of(os.getpid()))
    return lambda: [pid for pid in children_of(os.getpid()) if pid not in others]


@pytest.fixture
def ear() -> Iterator[Ear]:
    """The commands of a run in this process."""
    ear = Ear()
    yield ear
    ear.close()


@pytest.fixture
def perform(faulty_core: ModuleType, ear: Ear) -> Callable[..., Outcome]:
    """Execute a spec in this process on the faulty core; `on_event` sees each event as it is emitted."""

    def perform(on_event: Emit = lambda _: None, deadline_seconds: float | None = None, **spec: Any) -> Outcome:
        body = {"protocol": "steady", "cpus": 3, "seconds": 0.05, **spec}
        deadline_ns = None if deadline_seconds is None else time.monotonic_ns() + int(deadline_seconds * 1e9)
        return execute(
            RunSpec.model_validate(body),
            on_event,
            ear,
            deadline_ns,
            core=cast(Core, faulty_core),
            explore=faulty_core.explore,
        )

    return perform


@pytest.fixture
def supervise(checkout: Path, tmp_path: Path) -> Iterator[Callable[..., Supervisor]]:
    """Start a supervisor: of the compiled core, or with `faulty` of the core that misbehaves on demand."""
    started: list[Supervisor] = []

    def supervise(*arguments: str, faulty: bool = False) -> Supervisor:
        program = ["tests/processes/faulty_core.py"] if faulty else ["-m", "workers"]
        log = tmp_path / f"supervisor-{len(started)}.log"
        started.append(Supervisor([sys.executable, *program, *arguments], checkout, log))
        return started[-1]

    yield supervise
    for supervisor in started:
        supervisor.close()
