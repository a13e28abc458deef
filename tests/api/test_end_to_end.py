"""Real runs: a dispatcher, a supervisor in a process of its own, workers, and what the store holds afterwards."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.config import Settings
from server.dispatcher import Dispatcher, Notice
from server.processes import session_members
from server.schemas import Arm, Run
from server.store import Store, open_store
from workers.spec import CooperativeSpec, RunSpec

pytestmark = pytest.mark.usefixtures("core")

SHORT = RunSpec(protocol="swap_cache", seconds=0.2)
LONG = RunSpec(protocol="swap_cache", seconds=50)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """A store without an application."""
    store = open_store(settings.database_url)
    yield store
    store.close()


def run_all(store: Store, settings: Settings, on_notice=None, **scope) -> None:
    """Run everything that is queued to its end."""
    dispatcher = Dispatcher(store, settings, on_notice=on_notice, **scope)
    dispatcher.run_until(lambda: not store.is_waiting())


def code_of(run: Run) -> str | None:
    """The code of the reason that the run is in its state."""
    return None if run.state_reason is None else run.state_reason.code


def supervisor_of(store: Store, run_id: int) -> int:
    """Pid of the supervisor of the last attempt."""
    pid = store.attempts_of(run_id)[-1].supervisor_pid
    assert pid is not None
    return pid


def test_a_study_from_the_queue_to_its_figures(store: Store, settings: Settings) -> None:
    arms = [Arm(name=name, spec=RunSpec(protocol=name, seconds=0.2)) for name in ("has_cache", "swap_cache")]
    study = store.create_study(arms, 1)
    seen: list[Notice] = []
    run_all(store, settings, seen.append, study_id=study.id)
    for run in store.study_runs(study.id):
        assert (run.state, run.attempts) == ("succeeded", 1), run.state_reason
        assert run.metrics is not None
        assert run.metrics["throughput_ops_s"]
        assert store.histograms_of(run.id)["swap_in"].total > 0
        (attempt,) = store.attempts_of(run.id)
        assert attempt.environment is not None
        assert attempt.segment is not None
        assert attempt.segment.startswith(f"/swaprace-{attempt.supervisor_pid}-")
        kinds = [notice.kind for notice in seen if notice.run_id == run.id and notice.kind != "heartbeat"]
        assert kinds[:3] == ["claimed", "started", "running"]
        assert kinds[-1] == "finished"


def test_the_null_protocol_fails_by_a_law(store: Store, settings: Settings) -> None:
    run = store.create_run(RunSpec(protocol="unsynchronized", executor="cooperative", cpus=3))
    run_all(store, settings)
    run = store.get_run(run.id)
    assert (run.state, code_of(run)) == ("failed", "law_violated")
    assert store.violations_of(run.id)


def test_a_cancelled_run_is_gone_within_seconds(store: Store, settings: Settings) -> None:
    run = store.create_run(LONG)

    def cancel(notice: Notice) -> None:
        if notice.kind == "running":
            store.cancel_run(run.id)

    run_all(store, settings, cancel)
    run = store.get_run(run.id)
    assert (run.state, code_of(run)) == ("cancelled", "cancelled")
    assert session_members(supervisor_of(store, run.id)) == []


def test_a_killed_supervisor_loses_the_run_and_keeps_its_samples(store: Store, settings: Settings) -> None:
    run = store.create_run(LONG)

    def kill(notice: Notice) -> None:
        if notice.kind == "sample":
            os.kill(supervisor_of(store, run.id), signal.SIGKILL)

    run_all(store, settings, kill)
    run = store.get_run(run.id)
    assert (run.state, code_of(run)) == ("lost", "supervisor_died")
    assert run.state_reason is not None
    assert "signal 9" in run.state_reason.sentence
    assert store.samples_of(run.id, limit=10)[0]
    assert session_members(supervisor_of(store, run.id)) == []


def test_a_stopped_supervisor_is_killed_when_its_time_is_over(store: Store, settings: Settings) -> None:
    run = store.create_run(SHORT)
    impatient = settings.model_copy(update={"deadline_margin_seconds": 0.3, "kill_after_seconds": 0.5})

    def stop(notice: Notice) -> None:
        if notice.kind == "started":
            os.kill(supervisor_of(store, run.id), signal.SIGSTOP)

    run_all(store, impatient, stop)
    run = store.get_run(run.id)
    assert (run.state, code_of(run)) == ("timed_out", "deadline")
    assert session_members(supervisor_of(store, run.id)) == []


def test_a_late_run_times_out_by_itself(store: Store, settings: Settings) -> None:
    endless = CooperativeSpec(schedules=100_000_000)
    run = store.create_run(RunSpec(protocol="swap_cache", executor="cooperative", cooperative=endless))
    run_all(store, settings.model_copy(update={"cooperative_deadline_seconds": 1.0}))
    assert store.get_run(run.id).state == "timed_out"


def test_an_interrupt_cancels_the_run_and_goes_on(store: Store, settings: Settings) -> None:
    run, queued = store.create_run(LONG), store.create_run(SHORT)

    def interrupt(notice: Notice) -> None:
        if notice.kind == "running":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all(store, settings, interrupt)
    assert store.get_run(run.id).state == "cancelled"
    assert store.get_run(queued.id).state == "queued"
    assert session_members(supervisor_of(store, run.id)) == []


def test_a_stopped_dispatcher_leaves_nothing_live(store: Store, settings: Settings) -> None:
    run, queued = store.create_run(LONG), store.create_run(SHORT)
    running = threading.Event()

    def on_notice(notice: Notice) -> None:
        if notice.kind in ("running", "finished"):
            running.set()

    dispatcher = Dispatcher(store, settings, on_notice=on_notice)
    thread = threading.Thread(target=dispatcher.run_forever)
    thread.start()
    try:
        assert running.wait(30)
    finally:
        dispatcher.stop()
        thread.join(30)
    assert not thread.is_alive()
    assert store.get_run(run.id).state == "cancelled"
    assert store.get_run(queued.id).state == "queued"


def test_a_cancel_that_comes_before_the_supervisor_listens(store: Store, settings: Settings) -> None:
    run = store.create_run(LONG)
    dispatcher = Dispatcher(store, settings)
    thread = threading.Thread(target=dispatcher.run_forever)
    thread.start()
    try:
        while not any(attempt.supervisor_pid for attempt in store.attempts_of(run.id)):
            assert thread.is_alive()
    finally:
        dispatcher.stop()
        thread.join(30)
    assert store.get_run(run.id).state == "cancelled"


def test_a_trace_that_is_not_there_is_named(store: Store, settings: Settings, tmp_path: Path) -> None:
    run = store.create_run(RunSpec(protocol="swap_cache", scenario="trace", trace=str(tmp_path / "none.swpt")))
    run_all(store, settings)
    run = store.get_run(run.id)
    assert run.state == "failed"
    assert run.state_reason is not None
    assert "none.swpt" in run.state_reason.sentence
