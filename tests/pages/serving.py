"""A real server on a database of its own, for a browser to look at."""

from __future__ import annotations

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
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from server.store import Store, open_store

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60
CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGS = ["--no-sandbox", "--disable-gpu", "--font-render-hinting=none"]

T = TypeVar("T")


def until(look: Callable[[], T], what: str) -> T:
    """The first true answer of `look`."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        answer = look()
        if answer:
            return answer
        select.poll().poll(50)
    raise AssertionError(f"{what} did not come within {PATIENCE_SECONDS} s")


@dataclass(frozen=True)
class Site:
    """Where the server answers, the store that it serves, and the ids of what was stored before it started."""

    url: str
    store: Store
    ids: dict[str, int]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def answers(url: str) -> bool:
    """True once a server is well at `url`."""
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=PATIENCE_SECONDS):
            return True
    except urllib.error.HTTPError:
        raise
    except OSError:
        return False


@contextmanager
def serving(database: Path, state: Path, fill: Callable[[Store], dict[str, int]]) -> Iterator[Site]:
    """`swaprace serve` on `database` as `fill` has filled it, its log and other files in `state`, ended by SIGTERM."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {**os.environ, "XDG_STATE_HOME": str(state), "XDG_RUNTIME_DIR": str(state)}
    command = [sys.executable, "-m", "server.cli", "serve", "--port", str(port), "--db", str(database)]
    store = open_store(f"sqlite:///{database}")
    ids = fill(store)  # before a dispatcher is there that would take the runs
    with (
        (state / "serve.log").open("wb") as log,
        subprocess.Popen(command, cwd=ROOT, env=environment, stderr=log, start_new_session=True) as process,
    ):
        try:
            until(lambda: process.poll() is not None or answers(url), "the server")
            assert process.poll() is None, (state / "serve.log").read_text()[-2000:]
            yield Site(url, store, ids)
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
            store.close()
