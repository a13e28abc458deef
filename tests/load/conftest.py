"""A live run that clients drive, its supervisor in a process of its own."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shm.segment import sweep_orphans
from tests.load.serving import free_port, program
from workers.outcome import Event, Outcome
from workers.spec import RunSpec, canonical

PATIENCE_SECONDS = 30.0


class Driven:
    """A run with driver=external. `segment` is set once its gate is open."""

    def __init__(self, spec: RunSpec, checkout: Path) -> None:
        self.spec = spec
        self.process = subprocess.Popen(
            [sys.executable, "-m", "workers", "--deadline-seconds", "60"],
            cwd=checkout,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdin is not None
        self.process.stdin.write(canonical(spec).encode() + b"\n")
        self.process.stdin.flush()
        self.segment = ""
        self._rest = b""

    def read_until(self, kind: str) -> Event:
        """The next event of that kind."""
        assert self.process.stdout is not None
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            while b"\n" in self._rest:
                line, _, self._rest = self._rest.partition(b"\n")
                event = Event.model_validate_json(line)
                self.segment = event.segment or self.segment
                if event.event == kind:
                    return event
                assert event.event != "outcome", event.outcome
            if select.select([self.process.stdout], [], [], 0.5)[0]:
                data = os.read(self.process.stdout.fileno(), 1 << 16)
                assert data, "the supervisor has ended"
                self._rest += data
        raise AssertionError(f"no event {kind!r} within {PATIENCE_SECONDS} s")

    def outcome(self) -> Outcome:
        """How it ended."""
        outcome = self.read_until("outcome").outcome
        assert outcome is not None
        return outcome

    def tell(self, command: dict[str, Any]) -> None:
        """A command on its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()

    def close(self) -> None:
        """Hang up: the supervisor cancels its run and leaves nothing, unless a test has killed it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(PATIENCE_SECONDS)
        sweep_orphans()


@pytest.fixture
def driven(checkout: Path) -> Iterator[Callable[..., Driven]]:
    """Start runs that clients drive: two CPUs, 128 pages, unless asked otherwise."""
    started: list[Driven] = []

    def start(**fields: Any) -> Driven:
        given = {"protocol": "swap_cache", "driver": "external", "cpus": 2, "seconds": 30, "pages": 128, **fields}
        run = Driven(RunSpec.model_validate(given), checkout)
        started.append(run)
        run.read_until("running")
        return run

    yield start
    for each in started:
        each.close()


@pytest.fixture(scope="module")
def server(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a live server with a database of its own."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    database = tmp_path_factory.mktemp("load") / "r.db"
    with program(checkout, database, f"{address}/healthz", "serve", "--port", str(port)):
        yield address
