"""kill -9 of servers, supervisors, workers and database connections under load from Locust, and then the accounts.

Every run that a client was promised is there once and has ended; what is stored of it is what its supervisor said;
nothing is left over. `make chaos` strikes 500 times on each kind of database, the suite 10 times.
"""

from __future__ import annotations

import random
import signal
import sys
import time
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from server.config import Settings  # noqa: E402
from server.processes import session_members  # noqa: E402
from server.states import TERMINAL  # noqa: E402
from server.store import Store, open_store  # noqa: E402
from tests.chaos.storm import (  # noqa: E402
    SERVERS,
    Killer,
    Ledger,
    ServerProcess,
    read_promises,
    start_load,
    until,
)
from workers.outcome import Outcome  # noqa: E402

SEED = 20
USERS = 4
FEW_SECONDS = 60  # for the queue to run dry, and for leases of what was killed to run out
PAUSE_SECONDS = 0.3  # between two strikes, on average: less, and nothing would ever be under way


@pytest.fixture
def settings(database: str, tmp_path: Path) -> Settings:
    """Settings of all servers of a storm."""
    return Settings(database=database, journals=str(tmp_path / "journals"))


def storm(settings: Settings, folder: Path, checkout: Path, strikes: int) -> tuple[Counter[str], dict[str, Outcome]]:
    """Play it: how often what was killed, and what the supervisors have said."""
    ledger = Ledger(folder / "journals", folder / "kept")
    servers = [ServerProcess(settings, checkout, folder / f"server-{number}.log") for number in range(SERVERS)]
    killer = Killer(servers, ledger, settings, SEED)
    pauses = random.Random(SEED)
    with ExitStack() as stack:
        for server in servers:
            stack.callback(server.stop)
        until(lambda: all(server.answers() for server in servers), 60, "the servers come up")
        load = start_load(checkout, [each.port for each in servers], folder / "promises", USERS, folder / "locust.log")
        stack.callback(load.wait)
        stack.callback(load.kill)
        until(lambda: len(session_members(load.pid)) > 0 and (folder / "promises").exists(), 60, "the load comes up")
        for _ in range(strikes):
            time.sleep(pauses.expovariate(1 / PAUSE_SECONDS))
            killer.strike()
            for server in servers:
                server.keep_up()
        load.send_signal(signal.SIGTERM)
        end = time.monotonic() + 90
        while load.poll() is None:
            assert time.monotonic() < end, "Locust does not end"
            for server in servers:
                server.keep_up()
            time.sleep(0.1)
        with closing(open_store(settings.database_url)) as store:
            until(lambda: is_quiet(store, servers), FEW_SECONDS, "every run ends")
    return killer.killed, ledger.close()


def is_quiet(store: Store, servers: list[ServerProcess]) -> bool:
    """True once nothing is queued or live."""
    for server in servers:
        server.keep_up()
    return store.count_unfinished() == {"queued": 0, "live": 0}


def all_runs(store: Store) -> dict[int, Any]:
    """Every run of the database, by its id."""
    found: dict[int, Any] = {}
    after = None
    while True:
        page, after = store.list_runs(limit=200, after=after)
        found |= {run.id: run for run in page}
        if after is None:
            return found


LONG = [pytest.mark.chaos, pytest.mark.timeout(3600)]


@pytest.mark.parametrize(
    ("database", "strikes"),
    [
        ("sqlite", 10),
        ("postgresql", 10),
        pytest.param("sqlite", 500, marks=LONG),
        pytest.param("postgresql", 500, marks=LONG),
    ],
    indirect=["database"],
)
def test_no_run_is_lost_or_doubled(settings: Settings, tmp_path: Path, checkout: Path, strikes: int) -> None:
    killed, said = storm(settings, tmp_path, checkout, strikes)
    assert killed.total() == strikes
    promises = read_promises(tmp_path / "promises")
    with closing(open_store(settings.database_url)) as store:
        runs = all_runs(store)
        audit(store, runs, promises, said)
    lost = sum(run.state == "lost" for run in runs.values())
    assert lost <= killed["supervisor"] + killed["worker"], "a run was lost whose processes were left alone"
    print(f"{killed}; {len(runs)} runs: {Counter(run.state for run in runs.values())}; {len(said)} outcomes said")


def audit(store: Store, runs: dict[int, Any], promises: list[dict[str, Any]], said: dict[str, Outcome]) -> None:
    """The accounts of the storm."""
    assert [line for line in promises if "refused" in line] == []
    promised = {line["key"]: line["run"] for line in promises if "run" in line}
    seeds = {line["run"]: line["seed"] for line in promises if "run" in line}
    sent = {line["key"] for line in promises if "key" in line}
    assert len(promised) > 0
    assert len(set(promised.values())) == len(promised), "two promises were kept with one run"
    assert set(promised.values()) <= runs.keys(), "a promised run is not there"
    assert len(runs) <= len(sent), "a run was made twice"
    assert {run_id: runs[run_id].seed for run_id in seeds} == seeds
    assert {run.state for run in runs.values()} <= TERMINAL
    cancelled = {line["cancel"] for line in promises if "cancel" in line}
    attempts = {each.token: each for run_id in runs for each in store.attempts_of(run_id)}
    assert said.keys() <= attempts.keys()
    for run in runs.values():
        account_of_run(store, run, said, was_cancelled=run.id in cancelled)


def account_of_run(store: Store, run: Any, said: dict[str, Outcome], *, was_cancelled: bool) -> None:
    """One run: at most one attempt has a result, and it is the one that the supervisor said."""
    attempts = store.attempts_of(run.id)
    outcomes = [said[each.token] for each in attempts if each.token in said]
    assert len(outcomes) <= 1, f"run {run.id} was measured {len(outcomes)} times"
    assert [each.status for each in attempts[:-1] if each.status in ("succeeded", "failed")] == []
    if run.state == "lost":
        late = [each.evidence["late_outcome"] for each in attempts if each.evidence and "late_outcome" in each.evidence]
        statuses = [each.status for each in outcomes]
        assert statuses in ([], ["lost"]) or late == [each.model_dump(mode="json") for each in outcomes], run
        return
    if run.state == "cancelled":
        assert was_cancelled, run
        return
    assert run.state == "succeeded", run
    (outcome,) = outcomes
    assert outcome.status == "succeeded"
    assert run.elapsed_ns == outcome.elapsed_ns
    assert run.metrics == outcome.metrics
    assert run.events == outcome.events
    assert {name: wait.model_dump() for name, wait in (run.waits or {}).items()} == {
        name: wait.model_dump() for name, wait in outcome.waits.items()
    }
    stored = store.histograms_of(run.id)
    assert {name: (each.total, each.sum_ns, each.counts) for name, each in stored.items()} == {
        name: (each.total, each.sum_ns, each.counts) for name, each in outcome.histograms.items()
    }
