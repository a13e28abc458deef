"""The engines that the conformance suite holds to one contract, and dispatchers that run beside a test."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from server.config import Settings  # noqa: E402
from server.dispatcher import Dispatcher  # noqa: E402
from server.placer import Placer  # noqa: E402
from server.schemas import Run  # noqa: E402
from server.store import Store, open_store  # noqa: E402

PATIENCE_SECONDS = 120.0  # for what has no bound of its own; most of it passes only when something is broken


@contextmanager
def dask_cluster(*sets: str) -> Iterator[str]:
    """A Dask cluster with a worker a CPU set, as a program of its own; the address of its scheduler."""
    command = [sys.executable, str(ROOT / "tests" / "placer" / "lab.py"), *sets]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as lab:
        assert lab.stdin is not None
        assert lab.stdout is not None
        try:
            yield lab.stdout.readline().strip()
        finally:
            lab.stdin.close()
            try:
                lab.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                lab.kill()


@pytest.fixture(scope="session")
def two_workers() -> Iterator[str]:
    """Address of a LocalCluster of two workers that share this machine's CPUs."""
    with dask_cluster("-", "-") as address:
        yield address


def until(true: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> float:
    """Seconds until `true()`; fails after `seconds`."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() < began + seconds, f"{what}: not within {seconds:g} s"
        time.sleep(0.01)
    return time.monotonic() - began


@dataclass
class Lab:
    """A store, an engine and a dispatcher beside the test, in a thread."""

    store: Store
    settings: Settings
    dispatcher: Dispatcher
    thread: threading.Thread

    def run(self, run_id: int) -> Run:
        """A run as it stands."""
        return self.store.get_run(run_id)

    def until_running(self, run_id: int) -> None:
        """Return when the gate of a run is open."""
        until(lambda: self.run(run_id).state not in ("queued", "starting"), f"run {run_id} running")
        assert self.run(run_id).state == "running", self.run(run_id).state_reason

    def until_finished(self, run_id: int) -> Run:
        """A run once it is over."""
        until(lambda: self.run(run_id).finished, f"run {run_id} over")
        return self.run(run_id)

    def supervisor(self, run_id: int) -> int:
        """Session of the supervisor of the last attempt."""
        pid = self.store.attempts_of(run_id)[-1].supervisor_pid
        assert pid is not None
        return pid

    def token(self, run_id: int) -> str:
        """The token of the last attempt."""
        return self.store.attempts_of(run_id)[-1].token


@contextmanager
def lab(settings: Settings, placer: Placer | None = None) -> Iterator[Lab]:
    """A dispatcher that runs what is queued for as long as the block takes."""
    store = open_store(settings.database_url)
    dispatcher = Dispatcher(store, settings, placer=placer)
    thread = threading.Thread(target=dispatcher.run_forever)
    thread.start()
    try:
        yield Lab(store, settings, dispatcher, thread)
    finally:
        dispatcher.stop()
        thread.join(PATIENCE_SECONDS)
        dispatcher.close()
        store.close()
        assert not thread.is_alive()


@pytest.fixture
def settings(tmp_path: Path, database: str) -> Settings:
    """Settings with a database of their own and little patience."""
    return Settings(database=database, kill_after_seconds=2, journals=str(tmp_path / "journals"))
