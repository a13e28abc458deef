"""One contract, every placer: what is cancelled or killed is gone with its processes, and nothing runs twice.

The placers are the local one, Dask with two workers that share this machine's CPUs, and submitit's local executor.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from server.config import Settings
from server.models import placements
from server.placer import Delivery, LocalPlacer, Placer
from server.placer.attend import attend
from server.placer.dask_cluster import DaskPlacer
from server.placer.dask_cluster import deliver as deliver_by_dask
from server.placer.slurm import SlurmPlacer
from server.placer.slurm import deliver as deliver_as_job
from server.places import here, this_host
from server.processes import session_members
from server.schemas import Run
from server.store import Claim, open_store
from tests.placer.conftest import Lab, lab, until
from workers.spec import RunSpec

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

ENGINES = ("local", "dask", "slurm")
GONE_SECONDS = 1.0  # in which a cancelled tree is gone
SHORT = RunSpec(protocol="swap_cache", scenario="usemem", cpus=1, seconds=0.2)
LONG = SHORT.model_copy(update={"seconds": 50.0})


@pytest.fixture(scope="module", autouse=True)
def cluster_is_up(two_workers: str) -> str:
    """The cluster, up before the processes of a test are counted."""
    return two_workers


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Name of an engine."""
    return str(request.param)


@pytest.fixture
def placer(engine: str, settings: Settings, request: pytest.FixtureRequest) -> Iterator[Placer | None]:
    """The placer of an engine; None for the dispatcher's own."""
    if engine == "local":
        yield None
    elif engine == "dask":
        yield DaskPlacer(request.getfixturevalue("two_workers"), settings)
    else:
        yield SlurmPlacer(settings, jobs=2, cluster="local")


@pytest.fixture
def bench(settings: Settings, placer: Placer | None) -> Iterator[Lab]:
    """The engine with a store of its own and a dispatcher that runs what is queued."""
    with lab(settings, placer) as bench:
        yield bench


def time_of(text: str | None) -> datetime:
    assert text is not None
    return datetime.fromisoformat(text)


def code_of(run: Run) -> str | None:
    return None if run.state_reason is None else run.state_reason.code


def deliveries(bench: Lab, run_id: int) -> int:
    with bench.store.db.read() as connection:
        query = select(placements.c.deliveries).where(placements.c.attempt == bench.token(run_id))
        return int(connection.execute(query).scalar_one())


def test_what_is_queued_is_measured_once_and_one_at_a_time(bench: Lab, engine: str) -> None:
    queued = [bench.store.create_run(SHORT.model_copy(update={"seed": seed})).id for seed in range(3)]
    runs = [bench.until_finished(run_id) for run_id in queued]
    assert [(run.state, run.attempts) for run in runs] == [("succeeded", 1)] * 3, [run.state_reason for run in runs]
    spans = sorted((time_of(run.running_at), time_of(run.finished_at)) for run in runs)
    assert all(ended <= begun for (_, ended), (begun, _) in itertools.pairwise(spans)), spans
    with bench.store.db.read() as connection:
        placed = connection.execute(select(placements)).all()
    assert {(row.placer, row.host, row.cpu_set, row.deliveries) for row in placed} == {(engine, this_host(), None, 1)}
    for run in runs:
        assert session_members(bench.supervisor(run.id)) == []


@pytest.mark.parametrize("by", ["database", "placer"])
def test_a_cancel_ends_the_whole_tree(bench: Lab, by: str) -> None:
    run_id = bench.store.create_run(LONG).id
    bench.until_running(run_id)
    session = bench.supervisor(run_id)
    assert len(session_members(session)) >= 2
    if by == "database":
        bench.store.cancel_run(run_id)
    else:
        placed = bench.dispatcher.placed(bench.token(run_id))
        assert placed is not None
        placed.cancel(bench.token(run_id))
    gone = until(lambda: not session_members(session), "the tree gone")
    assert gone < GONE_SECONDS
    assert bench.until_finished(run_id).state == "cancelled"


def test_a_cancel_of_what_waits_starts_nothing(bench: Lab) -> None:
    """Mostly the first runs and the second waits; one that its engine was slow to begin goes back to the queue."""
    both = {bench.store.create_run(LONG).id, bench.store.create_run(LONG).id}
    until(lambda: any(bench.run(run).state == "running" for run in both), "one of two runs running")
    first = next(run for run in both if bench.run(run).state == "running")
    (second,) = both - {first}
    bench.store.cancel_run(second)
    assert bench.until_finished(second).state == "cancelled"
    assert all(attempt.supervisor_pid is None for attempt in bench.store.attempts_of(second))
    bench.store.cancel_run(first)
    bench.until_finished(first)


def test_a_killed_supervisor_loses_the_run_and_the_next_goes_on(bench: Lab) -> None:
    run_id, next_id = bench.store.create_run(LONG).id, bench.store.create_run(SHORT).id
    bench.until_running(run_id)
    session = bench.supervisor(run_id)
    os.kill(session, signal.SIGKILL)
    run = bench.until_finished(run_id)
    assert (run.state, code_of(run), run.attempts) == ("lost", "supervisor_died", 1)
    assert session_members(session) == []
    assert bench.until_finished(next_id).state == "succeeded"


@pytest.mark.parametrize("engine", ["dask", "slurm"], indirect=True)
def test_a_killed_worker_of_the_engine_is_a_lost_attempt(bench: Lab) -> None:
    run_id, next_id = bench.store.create_run(LONG).id, bench.store.create_run(SHORT).id
    bench.until_running(run_id)
    session = bench.supervisor(run_id)
    (attempt,) = [each for each in bench.store.live_attempts() if each.run_id == run_id]
    assert attempt.owner.pid not in (os.getpid(), session)
    os.kill(attempt.owner.pid, signal.SIGKILL)
    assert until(lambda: not session_members(session), "the tree gone") < GONE_SECONDS
    run = bench.until_finished(run_id)
    assert (run.state, code_of(run), run.attempts) == ("lost", "engine_worker_died", 1)
    assert bench.until_finished(next_id).state == "succeeded"


def test_a_killed_dispatcher_loses_nothing_of_this_machine(settings: Settings) -> None:
    """The worker of the local engine is a dispatcher: another one watches its supervisor on."""
    environ = {**os.environ, "SWAPRACE_JOURNALS": str(settings.journals)}
    words = ["run", "swap_cache", "--scenario", "usemem", "--cpus", "1", "--seconds", "4", "--db", settings.database]
    store = open_store(settings.database_url)
    command = [sys.executable, "-m", "server.cli", *words]
    with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) as process:
        until(lambda: bool(store.list_runs()[0]) and store.get_run(1).state == "running", "the run running")
        process.kill()
    with lab(settings) as bench:
        session = bench.supervisor(1)
        run = bench.until_finished(1)
        assert (run.state, run.attempts) == ("succeeded", 1), run.state_reason
        assert bench.supervisor(1) == session
    store.close()


def deliver_again(bench: Lab, engine: str, token: str, tmp_path: Path) -> Callable[[], bool]:
    """Have the engine deliver an attempt once more; whether that delivery was taken up, once it is known."""
    spec = bench.run(1).spec
    delivery = Delivery.of(Claim(run_id=1, token=token, spec=spec), bench.settings)
    if engine == "local":
        return lambda: attend(bench.store, bench.settings, token, place=here())
    if engine == "slurm":
        import submitit

        executor = submitit.AutoExecutor(tmp_path / "again", cluster="local")
        return executor.submit(deliver_as_job, delivery).result
    placer = bench.dispatcher.placed(token)
    assert isinstance(placer, DaskPlacer)
    return placer.client.submit(deliver_by_dask, delivery, pure=False).result


def test_of_two_deliveries_one_is_taken_up(bench: Lab, engine: str, tmp_path: Path) -> None:
    run_id = bench.store.create_run(SHORT.model_copy(update={"seconds": 4.0})).id
    bench.until_running(run_id)
    session = bench.supervisor(run_id)
    assert deliver_again(bench, engine, bench.token(run_id), tmp_path)() is False
    assert bench.supervisor(run_id) == session
    run = bench.until_finished(run_id)
    assert (run.state, run.attempts, deliveries(bench, run_id)) == ("succeeded", 1, 2)


def test_a_local_placer_has_one_place(settings: Settings) -> None:
    store = open_store(settings.database_url)
    placer = LocalPlacer(store, settings)
    assert (placer.capacity().places, placer.capacity().free) == ([here()], [here()])
    assert placer.poll("unknown").state == "ended"
    store.close()
