"""The server as a program: it listens, runs what is queued, and after a SIGKILL its successor takes over."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from server.processes import session_members

PROGRAM = "from server.config import load_settings; from server.serve import serve; serve(load_settings())"
PATIENCE_SECONDS = 60


def until(look: Callable[[], Any]) -> Any:
    """The first true answer of `look`."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        answer = look()
        if answer:
            return answer
        select.poll().poll(50)
    raise AssertionError(f"nothing came within {PATIENCE_SECONDS} s")


class Client:
    """JSON over HTTP to one server."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"

    def call(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """The answer to a GET, or to a POST of `body`; None where nothing listens."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
                return json.load(response)
        except urllib.error.HTTPError:
            raise
        except OSError:
            return None

    def run_in(self, run_id: int, *states: str) -> Any:
        """The run once it is in one of `states`."""

        def look() -> Any:
            run = self.call(f"/api/v1/runs/{run_id}")
            if run is None or run["state"] in states:
                return run
            assert run["state"] in ("queued", "starting", "running", "cancelling"), run["state_reason"]
            return None

        return until(look)


def supervisor_of(client: Client, run_id: int) -> int:
    """Pid of the supervisor of a run, once the run is running."""
    client.run_in(run_id, "running")
    pid: int = client.call(f"/api/v1/runs/{run_id}/attempts")["items"][-1]["supervisor_pid"]
    return pid


@pytest.fixture
def port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        number: int = server.getsockname()[1]
    return number


@contextmanager
def serving(checkout: Path, database: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server in a session of its own, ended by SIGTERM unless it has ended."""
    environment = {**os.environ, "SWAPRACE_DATABASE": str(database), "SWAPRACE_PORT": str(port)}
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, cwd=checkout, env=environment, start_new_session=True) as process:
        try:
            until(lambda: Client(port).call("/healthz"))
            yield process
            process.terminate()
            assert process.wait(PATIENCE_SECONDS) in (0, -signal.SIGKILL)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.usefixtures("core")
def test_a_killed_server_and_its_successor(checkout: Path, tmp_path: Path, port: int) -> None:
    client = Client(port)
    database = tmp_path / "results.db"
    with serving(checkout, database, port) as server:
        client.call("/api/v1/runs", {"protocol": "swap_cache", "seconds": 6})
        client.call("/api/v1/runs", {"protocol": "swap_cache", "seconds": 0.2})
        supervisor = supervisor_of(client, 1)
        until(lambda: client.call("/api/v1/runs/1/samples")["items"])
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        assert session_members(supervisor)
    with serving(checkout, database, port):
        adopted = client.run_in(1, "succeeded", "failed", "lost", "cancelled")
        assert (adopted["state"], adopted["attempts"]) == ("succeeded", 1), adopted["state_reason"]
        assert len(client.call("/api/v1/runs/1/samples")["items"]) >= 4  # those from before and from after
        assert client.run_in(2, "succeeded", "failed", "lost")["state"] == "succeeded"
    assert session_members(supervisor) == []
    assert not list(tmp_path.glob("*.journals/*"))


@pytest.mark.usefixtures("core")
def test_a_run_that_ended_while_no_server_was_there_is_told(checkout: Path, tmp_path: Path, port: int) -> None:
    client = Client(port)
    database = tmp_path / "results.db"
    with serving(checkout, database, port) as server:
        client.call("/api/v1/runs", {"protocol": "swap_cache", "seconds": 1})
        supervisor = supervisor_of(client, 1)
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    until(lambda: not session_members(supervisor))
    with serving(checkout, database, port):
        run = client.run_in(1, "succeeded", "failed", "lost", "cancelled")
        assert (run["state"], run["attempts"]) == ("succeeded", 1), run["state_reason"]
        assert run["metrics"]["swap_ins"] > 0


@pytest.mark.usefixtures("core")
def test_a_master_that_is_killed_asks_nobody_to_stop(checkout: Path, tmp_path: Path, port: int) -> None:
    client = Client(port)
    database = tmp_path / "results.db"
    with serving(checkout, database, port) as server:
        client.call("/api/v1/runs", {"protocol": "swap_cache", "seconds": 4})
        supervisor_of(client, 1)
        os.kill(server.pid, signal.SIGKILL)  # and not its worker, which notices and ends
        server.wait()
        until(lambda: not session_members(server.pid))
    with serving(checkout, database, port):
        run = client.run_in(1, "succeeded", "failed", "lost", "cancelled")
        assert (run["state"], run["attempts"]) == ("succeeded", 1), run["state_reason"]


@pytest.mark.usefixtures("core")
def test_an_adopted_run_can_be_cancelled(checkout: Path, tmp_path: Path, port: int) -> None:
    client = Client(port)
    database = tmp_path / "results.db"
    with serving(checkout, database, port) as server:
        client.call("/api/v1/runs", {"protocol": "swap_cache", "seconds": 50})
        supervisor = supervisor_of(client, 1)
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    with serving(checkout, database, port):
        client.call("/api/v1/runs/1/cancel", {})
        assert client.run_in(1, "cancelled", "lost")["state"] == "cancelled"
        assert session_members(supervisor) == []


@pytest.mark.usefixtures("core")
def test_a_server_that_is_asked_to_stop_ends_its_run(checkout: Path, tmp_path: Path, port: int) -> None:
    client = Client(port)
    database = tmp_path / "results.db"
    with serving(checkout, database, port):
        client.call("/api/v1/runs", {"protocol": "swap_cache", "seconds": 50})
        client.run_in(1, "running")
    with serving(checkout, database, port):
        assert client.call("/api/v1/runs/1")["state"] == "cancelled"
