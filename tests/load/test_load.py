"""The load tests themselves: Locust, headless, against a live server; and how its figures are rounded."""

from __future__ import annotations

import importlib.util
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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from loadtests.rounding import proper_round, two_digits  # noqa: E402
from server.cli.doctor_checks import missing_modules  # noqa: E402

PATIENCE_SECONDS = 60


@pytest.mark.parametrize(
    ("given_ms", "grouped_ms"),
    [(0.0347, 0.035), (0.00123, 0.0012), (0.999, 1.0), (7.25, 7.2), (42.0, 42.0), (147, 150), (58_760, 59_000), (0, 0)],
)
def test_response_times_keep_two_digits(given_ms: float, grouped_ms: float) -> None:
    assert two_digits(given_ms) == pytest.approx(grouped_ms)


def test_grouping_is_coarse_enough_and_never_reorders() -> None:
    times_ms = [10 ** (step / 1000) for step in range(-3000, 4000)]
    grouped = [two_digits(ms) for ms in times_ms]
    assert grouped == sorted(grouped)
    assert len(set(grouped)) <= 7 * 90 + 1
    assert max(abs(g / ms - 1) for g, ms in zip(grouped, times_ms, strict=True)) <= 0.051


def test_extremes_keep_digits_below_a_millisecond() -> None:
    assert proper_round(0.0347) == pytest.approx(0.035)
    assert proper_round(1234.4) == 1234
    assert proper_round(3.14159, 2) == 3.14


def test_locust_has_what_the_rounding_replaces() -> None:
    """In a process of its own: importing Locust patches the standard library."""
    code = (
        "import inspect, locust.stats as s; assert callable(s.bucket_response_time) and callable(s.proper_round);"
        "s.bucket_response_time = lambda ms: 0.25;"
        "e = s.StatsEntry(s.RequestStats(), 'x', 'GET'); e.log(0.2, 0);"
        "assert dict(e.response_times) == {0.25: 1}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


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
    with subprocess.Popen(command, cwd=checkout, env=environment, start_new_session=True) as process:
        try:
            end = time.monotonic() + PATIENCE_SECONDS
            while not answers(address):
                assert process.poll() is None, f"{arguments[0]} ended with {process.returncode}"
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


@pytest.fixture
def server(checkout: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a live server with a database of its own."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with program(checkout, tmp_path / "r.db", f"{address}/healthz", "serve", "--port", str(port)):
        yield address


def test_users_find_no_failure(checkout: Path, server: str) -> None:
    assert importlib.util.find_spec("locust"), "Locust is not installed: pip install 'swaprace[load]'"
    missing = missing_modules()
    assert not missing, f"the compiled core is not built ({', '.join(missing[:3])}): run `make setup`"
    arguments = ["--server", server, "--headless", "--users", "6", "--spawn-rate", "6", "--run-time", "6s", "--json"]
    command = [sys.executable, "-m", "server.cli", "load", *arguments]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    entries = {(entry["method"], entry["name"]): entry for entry in json.loads(done.stdout)}
    assert sum(entry["num_failures"] for entry in entries.values()) == 0
    assert entries["GET", "/api/v1/runs"]["num_requests"] > 0
    assert entries["POST", "/api/v1/runs"]["num_requests"] > 0
    assert entries["RUN", "launch to end"]["num_requests"] > 0
    grouped = [float(ms) for entry in entries.values() for ms in entry["response_times"]]
    assert grouped == [pytest.approx(two_digits(ms)) for ms in grouped]
    assert any(ms != int(ms) for ms in grouped)


def test_the_web_ui_refuses_other_sites(checkout: Path, tmp_path: Path, server: str) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with program(checkout, tmp_path / "ui.db", address, "load", "--server", server, "--web-port", str(port)):
        assert status(address, {}) == 200
        assert status(address, {"Host": f"evil.example:{port}"}) == 421
        assert status(f"{address}/stop", {"Origin": "http://evil.example"}) == 403
        assert status(f"{address}/swarm", {"Sec-Fetch-Site": "cross-site"}, b"user_count=1&spawn_rate=1") == 403


def status(address: str, headers: dict[str, str], body: bytes | None = None) -> int:
    """The status of an answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body, headers), timeout=10) as answer:
            code: int = answer.status
            return code
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
