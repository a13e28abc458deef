"""The real explorer behind the service: found over REST, replayed by its token, and nothing left of what is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from server import create_app
from server.api.common import EXTENSION
from server.cli.doctor_checks import missing_modules
from server.config import Settings
from server.exploring.child import CHECKOUT
from server.exploring.keeper import Keeper
from server.processes import session_members
from server.store import Store

PATIENCE_SECONDS = 60.0
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def core() -> None:
    """The compiled core; these tests fail with a word on how to get it."""
    missing = missing_modules()
    if missing:
        pytest.fail(f"the core is not built, {', '.join(missing)} is missing: run `make setup`")


@pytest.fixture
def client(settings: Settings) -> Iterator[FlaskClient]:
    """A client of an application beside which explorations are played."""
    app = create_app(settings)
    service = app.extensions[EXTENSION]
    keeper = Keeper(service.store, settings)
    keeper.start()
    yield app.test_client()
    assert keeper.stop()
    service.store.close()


def test_it_is_found_over_rest_and_replayed_by_its_token(client: FlaskClient) -> None:
    asked = {"protocol": "swap_cache_as_posted", "scenario": "memcg_exit", "seconds": 30}
    url = client.post("/api/v1/explorations", json=asked).headers["Location"]
    end = time.monotonic() + PATIENCE_SECONDS
    while (body := client.get(url).get_json())["state"] in ("queued", "running"):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert body["state"] == "found", body["reason"]
    text = client.get(f"{url}/findings/1", headers={"Accept": "text/plain"}).text
    assert "memcg1_swapout()" in text
    assert max(map(len, client.get(f"{url}/findings/1").get_json()["diagram"])) <= 72
    assert client.get(f"{url}/findings/1/timeline").get_json()["findings"][0]["law"] == body["findings"][0]["law"]
    token = body["findings"][0]["token"]
    again = client.post("/api/v1/replays", json={"token": token})
    assert again.status_code == 201, again.text
    verdict = again.get_json()["verdict"]
    assert (verdict["status"], verdict["law"]) == ("same", body["findings"][0]["law"])
    assert len(again.get_json()["timeline"]["steps"]) == verdict["steps"]


def swaprace(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "server.cli", *words]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)


def test_the_command_finds_the_bug_and_clears_its_cure(database: str) -> None:
    words = ["--scenario", "memcg_exit", "--seconds", "10", "--json", "--db", database]
    done = swaprace("explore", "swap_cache_as_posted", *words)
    assert done.returncode == 3, done.stderr
    body = json.loads(done.stdout)
    assert body["found"]
    assert body["token"].startswith("sr1-")
    assert body["findings"][0]["token"] == body["token"]
    done = swaprace("explore", "swap_cache", *words)
    assert done.returncode == 0, done.stderr
    clean = json.loads(done.stdout)
    assert (clean["found"], clean["token"], clean["schedules_per_second"] > 0) == (False, None, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["swap_cache", "--scenario", "thread_fault"], "thread_fault is a workload of run and compare"),
        (["swap_cache", "--scenario", "nothing"], "there is no race 'nothing'"),
        (["swapcache", "--scenario", "memcg_exit"], "did you mean swap_cache?"),
        (["./nothing.pyx:Mine", "--scenario", "memcg_exit"], "there is no protocol file ./nothing.pyx"),
        (["swap_cache", "--scenario", "memcg_exit", "--depth", "2", "--strategy", "dpor"], "belongs to strategy pct"),
        (["swap_cache", "--scenario", "memcg_exit", "--seconds", "0"], "--seconds 0.0: Input should be greater"),
    ],
)
def test_what_cannot_be_explored_is_usage(database: str, words: list[str], told: str) -> None:
    done = swaprace("explore", *words, "--db", database)
    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())


def test_nothing_is_left_of_a_command_that_was_killed(database: str, store: Store) -> None:
    command = [sys.executable, "-m", "server.cli", "explore", "swap_cache", "--scenario", "fault_fault_reclaim"]
    options = ["--strategy", "random", "--seconds", "600", "--jobs", "2", "--db", database]
    with subprocess.Popen([*command, *options], cwd=CHECKOUT, stdout=subprocess.DEVNULL) as process:
        end = time.monotonic() + PATIENCE_SECONDS
        while not (found := store.list_explorations()[0]) or found[0].schedules == 0:
            assert time.monotonic() < end
            time.sleep(0.05)
        explorers = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _parent(pid) == process.pid]
        members = [member for pid in explorers for member in session_members(pid)]
        assert len(members) >= 3, "the explorer and its two jobs"
        process.send_signal(signal.SIGKILL)
    while left := [member for pid in explorers for member in session_members(pid)]:
        assert time.monotonic() < end, f"{left} live on"
        time.sleep(0.05)
    assert store.bury_explorations() == [found[0].id]
    assert store.get_exploration(found[0].id).state == "lost"


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return -1
