"""Commands of swaprace that listen, as tests start them."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE_SECONDS = 60


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        number: int = server.getsockname()[1]
    return number


@contextmanager
def program(checkout: Path, database: Path, address: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command of swaprace that listens, once it answers at `address`; ended by SIGTERM with all of its session."""
    environment = {**os.environ, "SWAPRACE_DATABASE": str(database)}
    command = [sys.executable, "-m", "server.cli", *arguments]
    log = database.with_name(f"{arguments[0]}.log")
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, cwd=checkout, env=environment, stderr=errors, start_new_session=True) as process,
    ):
        try:
            end = time.monotonic() + PATIENCE_SECONDS
            while not answers(address):
                assert process.poll() is None, f"{arguments[0]} ended with {process.returncode}: {log.read_text()}"
                assert time.monotonic() < end, f"{arguments[0]} does not answer"
                select.poll().poll(50)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def answers(address: str) -> bool:
    """True when something answers a GET."""
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False
