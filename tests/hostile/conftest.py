"""The real server, as `swaprace serve` starts it, with little patience for slow requests; and raw bytes to it."""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

PATIENCE_SECONDS = 60
REQUEST_SECONDS = 2.0


class Server:
    """A server that runs, and how to talk to it."""

    def __init__(self, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
        self.port, self.process, self.log = port, process, log

    def is_well(self, timeout_seconds: float = 10.0) -> bool:
        """True when /healthz answers 200 in time."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_seconds)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        """A connection to it."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)

    def send(self, data: bytes) -> bytes:
        """What comes back on a connection of its own until the server closes it."""
        with self.connect() as connection:
            connection.sendall(data)
            answer = b""
            while read := connection.recv(65536):
                answer += read
            return answer

    def log_lines(self) -> list[dict[str, object]]:
        """The log so far; every line of it is a JSON object."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


@pytest.fixture(scope="session")
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number: int = listener.getsockname()[1]
    return number


def started(checkout: Path, port: int, log: IO[bytes], **settings: str) -> subprocess.Popen[bytes]:
    """`swaprace serve` in a session of its own."""
    given = {f"SWAPRACE_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "server.cli", "serve", "--port", str(port)]
    environ = {**os.environ, **given}
    return subprocess.Popen(command, cwd=checkout, env=environ, stderr=log, start_new_session=True)


@pytest.fixture(scope="module")
def server(checkout: Path, tmp_path_factory: pytest.TempPathFactory, free_port: int) -> Iterator[Server]:
    """One server for the tests of a file; whatever they do, it must be well afterwards and end when asked."""
    folder = tmp_path_factory.mktemp("hostile")
    settings = {"database": str(folder / "results.db"), "request_seconds": str(REQUEST_SECONDS)}
    with (folder / "log").open("wb") as log, started(checkout, free_port, log, **settings) as process:
        server = Server(free_port, process, folder / "log")
        try:
            end = time.monotonic() + PATIENCE_SECONDS
            while not server.is_well():
                assert process.poll() is None, server.log.read_text()
                assert time.monotonic() < end, "the server does not come up"
                select.poll().poll(50)
            yield server
            assert server.is_well()
            process.terminate()
            assert process.wait(PATIENCE_SECONDS) == 0
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
