"""A database that nobody reaches for 20 s, while every placer measures: nothing runs twice, nothing is lost.

The database is a PostgreSQL one that sends its clients away and takes none; SQLite's is locked by somebody else.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import make_url

from server.config import Settings
from server.placer import Placer
from server.placer.dask_cluster import DaskPlacer
from server.placer.slurm import SlurmPlacer
from tests.placer.conftest import Lab, lab
from tests.postgres import Cluster
from workers.spec import RunSpec

AWAY_SECONDS = 20.0
MEASURED_SECONDS = 6.0  # of the run that ends meanwhile
LEASE_SECONDS = 5.0  # it runs out meanwhile
TEMPLATE = "migrated"  # of tests/conftest.py
pytestmark = [pytest.mark.slow, pytest.mark.parametrize("database", ["postgresql"], indirect=True)]


@pytest.fixture(scope="module", autouse=True)
def cluster_is_up(two_workers: str) -> str:
    """The cluster, up before the processes of a test are counted."""
    return two_workers


@contextmanager
def away(postgres: Cluster, url: str) -> Iterator[None]:
    """Within the block nobody is connected to the database, nor can be."""
    name = make_url(url).database
    postgres.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    postgres.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    try:
        yield
    finally:
        postgres.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Within the block nobody else can write."""
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        holder.execute("ROLLBACK")
        holder.close()


def go_through(bench: Lab, outage: Callable[[], AbstractContextManager[None]]) -> None:
    """A run that ends in the midst of an outage and one that waits in the queue: both go through, once each."""
    short = RunSpec(protocol="swap_cache", scenario="usemem", cpus=1, seconds=0.2)
    measured = bench.store.create_run(short.model_copy(update={"seconds": MEASURED_SECONDS})).id
    queued = bench.store.create_run(short).id
    bench.until_running(measured)
    with outage():
        time.sleep(AWAY_SECONDS)  # the outage itself: there is no state to wait for
    for run_id in (measured, queued):
        run = bench.until_finished(run_id)
        assert (run.state, run.attempts) == ("succeeded", 1), run.state_reason
        assert run.metrics is not None
        (attempt,) = bench.store.attempts_of(run_id)
        assert attempt.evidence is None


def placer_of(name: str, settings: Settings, address: str) -> Placer | None:
    """The placer of a name; None for the dispatcher's own."""
    if name == "dask":
        return DaskPlacer(address, settings)
    return SlurmPlacer(settings, jobs=2, cluster="local") if name == "slurm" else None


def test_nothing_is_lost_or_doubled(
    settings: Settings, postgres: Cluster, two_workers: str, tmp_path: Path, empty_sqlite: Path
) -> None:
    """All placers beside each other, each with a database of its own that goes away."""
    path = tmp_path / "locked.db"
    path.write_bytes(empty_sqlite.read_bytes())
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor())
        ends = []
        for name in ("local", "dask", "slurm", "locked"):
            database = str(path) if name == "locked" else stack.enter_context(postgres.database(TEMPLATE))
            changes = {"lease_seconds": LEASE_SECONDS, "database": database, "journals": str(tmp_path / name)}
            mine = settings.model_copy(update=changes)
            bench = stack.enter_context(lab(mine, placer_of(name, mine, two_workers)))
            outage = partial(locked, path) if name == "locked" else partial(away, postgres, database)
            ends.append(pool.submit(go_through, bench, outage))
        for end in ends:
            end.result()
