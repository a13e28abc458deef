"""The load tests themselves: Locust, headless, against a live server; and how its figures are rounded."""

from __future__ import annotations

import importlib.util
import json
import select
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from loadtests.rounding import proper_round, two_digits  # noqa: E402
from loadtests.shapes import SHAPES, is_storm, users_at  # noqa: E402
from server.cli import main  # noqa: E402
from server.cli.doctor_checks import missing_modules  # noqa: E402
from tests.load.serving import free_port, program  # noqa: E402

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


def test_users_find_no_failure(checkout: Path, server: str) -> None:
    assert importlib.util.find_spec("locust"), "Locust is not installed: pip install 'swaprace[load]'"
    missing = missing_modules()
    assert not missing, f"the compiled core is not built ({', '.join(missing[:3])}): run `make setup`"
    entries = locust(checkout, server, "--users", "7", "--spawn-rate", "7", "--run-time", "6s")
    assert sum(entry["num_failures"] for entry in entries.values()) == 0
    assert entries["GET", "/api/v1/runs"]["num_requests"] > 0
    assert entries["POST", "/api/v1/runs"]["num_requests"] > 0
    assert entries["RUN", "launch to end"]["num_requests"] > 0
    grouped = [float(ms) for entry in entries.values() for ms in entry["response_times"]]
    assert grouped == [pytest.approx(two_digits(ms)) for ms in grouped]
    assert any(ms != int(ms) for ms in grouped)


def test_cpu_users_report_microseconds_and_the_test_is_kept(checkout: Path, server: str) -> None:
    """CPU users on the segment, in a storm: swap-in, reclaim and swapoff are rows, and the run and the figures stay."""
    storm = ["--cpu-users", "2", "--shape", "swapoff_storm", "--protocol", "has_cache", "--name", "storm"]
    entries = locust(checkout, server, "--users", "2", "--run-time", "6s", *storm)
    assert ("RUN", "launch to end") not in entries
    swap_ins = entries["CPU", "swap-in [us]"]
    assert swap_ins["num_requests"] > 100
    assert entries["CPU", "reclaim [us]"]["num_requests"] > 0
    assert entries["CPU", "swapoff [us]"]["num_requests"] > 0
    assert not any("/operations" in name and kind == "POST" for kind, name in entries)

    test = get(server, "/load-tests?limit=1")["items"][0]
    assert (test["name"], test["shape"], test["users"], test["cpu_users"]) == ("storm", "swapoff_storm", 2, 2)
    assert (test["protocol"], test["cpu_mode"], test["failures"]) == ("has_cache", "attached", 0)
    kept = {(e["kind"], e["name"]): e for e in get(server, f"/load-tests/{test['id']}")["entries"]}
    assert kept["CPU", "swap-in"]["requests"] == swap_ins["num_requests"]
    assert 5_000 <= kept["CPU", "swap-in"]["p50_ns"] < 5_000_000
    run = get(server, f"/runs/{test['run_id']}")
    assert (run["state"], run["spec"]["driver"]) == ("succeeded", "external")
    assert run["metrics"]["swap_ins"] >= swap_ins["num_requests"]
    assert run["events"]["swapoffs"] > 0


def test_cpu_users_from_afar_go_through_the_api(checkout: Path, server: str) -> None:
    entries = locust(checkout, server, "--users", "0", "--cpu-users", "2", "--run-time", "3s", "--cpu-mode", "http")
    assert entries["POST", "/api/v1/runs/[id]/operations"]["num_requests"] > 0
    assert entries["CPU", "swap-in [us]"]["num_requests"] > 0
    assert get(server, "/load-tests?limit=1")["items"][0]["cpu_mode"] == "http"


def test_a_master_and_two_workers_are_one_test(checkout: Path, server: str) -> None:
    """Each worker is a CPU of the same run; what they have measured is one load test."""
    port = str(free_port())
    worker = [sys.executable, "-m", "server.cli", "load", "--server", server, "--worker", "--master-port", port]
    workers = [
        subprocess.Popen(worker, cwd=checkout, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(2)
    ]
    try:
        directed = ["--master", "--expect-workers", "2", "--master-port", port]
        entries = locust(
            checkout, server, *directed, "--users", "4", "--cpu-users", "2", "--run-time", "6s", "--shape", "ramp"
        )
        assert [each.wait(PATIENCE_SECONDS) for each in workers] == [0, 0]
    finally:
        for each in workers:
            each.kill()
            each.wait()
    test = get(server, "/load-tests?limit=1")["items"][0]
    assert (test["workers"], test["shape"], test["cpu_users"]) == (2, "ramp", 2)
    counted = sum(entry["num_requests"] for entry in entries.values())
    assert test["requests"] == counted
    assert entries["CPU", "swap-in [us]"]["num_requests"] > 100
    claims = entries["GET", "/api/v1/runs/[id]/operations (CPUs)"]["num_requests"]
    assert claims == 2  # one CPU user a worker
    assert get(server, f"/runs/{test['run_id']}")["state"] == "succeeded"


def test_the_web_ui_has_our_tabs_and_refuses_other_sites(checkout: Path, tmp_path: Path, server: str) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with program(checkout, tmp_path / "ui.db", address, "load", "--server", server, "--web-port", str(port)):
        assert status(address, {}) == 200
        assert status(address, {"Host": f"evil.example:{port}"}) == 421
        assert status(f"{address}/stop", {"Origin": "http://evil.example"}) == 403
        assert status(f"{address}/swarm", {"Sec-Fetch-Site": "cross-site"}, b"user_count=1&spawn_rate=1") == 403
        with urllib.request.urlopen(address, timeout=10) as page:
            assert "swaprace-latencies" in page.read().decode()
        assert status(f"{address}/swarm", {}, f"user_count=2&spawn_rate=2&host={server}".encode()) == 200
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            with urllib.request.urlopen(f"{address}/stats/requests", timeout=10) as answer:
                tables = {table["key"]: table["data"] for table in json.load(answer)["extended_stats"]}
            sources = {row["source"] for row in tables["swaprace-latencies"]}
            if tables["swaprace-runs"] and "HTTP GET" in sources:
                break
            assert time.monotonic() < end
            select.poll().poll(100)
        assert {"run", "state", "protocol"} <= tables["swaprace-runs"][0].keys()


def test_a_run_that_cannot_be_had_is_told(checkout: Path, server: str) -> None:
    """More CPUs than the server allows: Locust starts nobody as CPU, and says why."""
    arguments = ["--server", server, "--headless", "--users", "0", "--cpu-users", "2", "--run-time", "2s"]
    command = [sys.executable, "-m", "server.cli", "load", *arguments, "--run", "999999"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert done.returncode == 1
    assert "999999" in done.stdout + done.stderr


# Ticks of a greenlet while a CPU of a slow device plays a batch: in gevent's threadpool, and (to see that ticks would
# be missed) in the greenlet itself. Locust patches the standard library in the same way.
TICKS = """
import sys
from gevent import monkey; monkey.patch_all()
import gevent, time
from loadtests.driving import AttachedDriver, BUDGET_NS
from workers.batch import packed
from workers.spec import RunSpec
ticks = 0
def tick():
    global ticks
    while True:
        gevent.sleep(0.01)
        ticks += 1
gevent.spawn(tick)
driver = AttachedDriver(sys.argv[1], RunSpec.model_validate_json(sys.argv[2]))
batch = [{"op": "pageout", "mm": 0, "page": 0, "pages": 1}, {"op": "load", "mm": 0, "page": 0}]
began, before = time.monotonic(), ticks
driver.play(batch)
print(ticks - before, time.monotonic() - began, flush=True)
before = ticks
driver._attachment.play(packed(batch), BUDGET_NS)
print(ticks - before, flush=True)
driver.close()
"""


def test_a_cpu_in_an_operation_freezes_no_other_user(checkout: Path, driven: Callable[..., Any]) -> None:
    run = driven(device={"read_ns": 500_000_000, "write_ns": 500_000_000}, pages=8, memcg={"limit_pages": 64})
    command = [sys.executable, "-c", TICKS, run.segment, run.spec.model_dump_json()]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True)
    ticks, seconds, frozen = (float(word) for word in done.stdout.split())
    assert seconds > 0.4
    assert ticks > 10 * seconds
    assert frozen <= 2


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_stay_within_their_users(shape: str) -> None:
    users = [users_at(shape, at / 10, 60, 40) for at in range(601)]
    assert max(users) == 40
    assert min(users) >= 1
    storms = [is_storm(shape, at / 10, 60) for at in range(600)]
    assert any(storms) == (shape == "swapoff_storm")


def test_shapes_are_what_they_are_called() -> None:
    ramp = [users_at("ramp", at, 100, 40) for at in range(100)]
    assert ramp == sorted(ramp)
    assert (ramp[40], ramp[80]) == (20, 40)
    assert [users_at("spike", at, 100, 40) for at in (10, 45, 55, 70)] == [8, 40, 40, 8]
    assert [is_storm("swapoff_storm", at, 100) for at in (0, 10, 15, 19, 21)] == [False, False, True, True, False]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--master", "--worker"], "two processes"),
        (["--users", "0"], "nobody makes load"),
        (["--run", "1"], "--cpu-users"),
        (["--run-time", "soon"], "such as 60s"),
    ],
)
def test_options_that_do_not_go_together(arguments: list[str], word: str) -> None:
    done = CliRunner().invoke(main, ["load", *arguments])
    assert done.exit_code == 2
    assert word in done.output


def locust(checkout: Path, server: str, *arguments: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Locust's rows of a headless test without failures, by method and name."""
    command = [sys.executable, "-m", "server.cli", "load", "--server", server, "--headless", "--json", *arguments]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    assert "is kept" in done.stderr, done.stderr[-4000:]
    return {(entry["method"], entry["name"]): entry for entry in json.loads(done.stdout)}


def get(server: str, path: str) -> Any:
    """The JSON of a GET of the API."""
    with urllib.request.urlopen(f"{server}/api/v1{path}", timeout=PATIENCE_SECONDS) as answer:
        return json.load(answer)


def status(address: str, headers: dict[str, str], body: bytes | None = None) -> int:
    """The status of an answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body, headers), timeout=10) as answer:
            code: int = answer.status
            return code
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
