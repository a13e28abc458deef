"""After a crash: what never began is queued again, what said something is read on, what is gone is buried."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from server.config import Settings
from server.journal import journal_path, make_journal, unattended
from server.models import placements
from server.processes import ProcessId, identify, is_alive, kill_session, myself, session_members
from server.recovery import Recovery
from server.store import Claim, Store
from server.watch import Watch
from tests.database.outcomes import made_outcome
from workers.outcome import Event
from workers.spec import RunSpec

SPEC = RunSpec(protocol="swap_cache")
PARENT = (
    "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'input()']); print('up', flush=True); input()"
)


@pytest.fixture
def gone() -> ProcessId:
    """A process that has ended."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        identity = identify(process.pid)
        assert identity is not None
    assert not is_alive(identity)
    return identity


@pytest.fixture
def session() -> Iterator[subprocess.Popen[bytes]]:
    """A session of two living processes, as a supervisor with a worker."""
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as leader:
        assert leader.stdout is not None
        assert leader.stdout.readline() == b"up\n"
        yield leader
        leader.kill()


@pytest.fixture
def settings(database: str, tmp_path: Path) -> Settings:
    """Settings of the store's database, with little patience."""
    return Settings(database=database, journals=str(tmp_path / "journals"), lease_seconds=1, kill_after_seconds=0.5)


@pytest.fixture
def recovery(store: Store, settings: Settings) -> Recovery:
    """A dispatcher's look at what others left."""
    return Recovery(store, settings)


def claimed(store: Store, owner: ProcessId, lease_seconds: float = 15) -> Claim:
    store.create_run(SPEC)
    claim = store.claim(owner, lease_seconds=lease_seconds)
    assert claim is not None
    return claim


def code_of(store: Store, run_id: int) -> str:
    reason = store.get_run(run_id).state_reason
    assert reason is not None
    return reason.code


def journal_of(store: Store, settings: Settings, claim: Claim, *events: Event) -> Path:
    """A journal of the attempt, recorded and made, with what a supervisor has said."""
    path = journal_path(settings.journals_directory, claim.token)
    store.record_journal(claim.token, str(path))
    make_journal(path, claim.spec)
    with path.open("a") as file:
        for event in events:
            file.write(event.model_dump_json(exclude_none=event.event != "outcome") + "\n")
    return path


def said(gone: ProcessId) -> list[Event]:
    """What a supervisor says up to its first sample."""
    return [
        Event(event="started", at_ns=1, pid=gone.pid, segment=None),
        Event(event="running", at_ns=2),
        Event(event="sample", at_ns=3, sample={"operations": 5}),
    ]


def test_what_never_began_is_queued_again(store: Store, recovery: Recovery, gone: ProcessId) -> None:
    claim = claimed(store, gone)
    assert recovery.recover() == []
    run = store.get_run(claim.run_id)
    assert (run.state, run.attempts, run.claimed_at) == ("queued", 1, None)
    assert not store.mark_running(claim.token)
    assert not store.finish(claim.token, made_outcome())
    again = store.claim(myself(), lease_seconds=15)
    assert again is not None
    assert again.run_id == claim.run_id
    assert [attempt.status for attempt in store.attempts_of(claim.run_id)] == ["lost", None]


def test_a_withdrawn_journal_starts_nothing(
    store: Store, settings: Settings, recovery: Recovery, gone: ProcessId, checkout: Path
) -> None:
    claim = claimed(store, gone)
    path = journal_of(store, settings, claim)
    recovery.recover()
    assert (store.get_run(claim.run_id).state, path.exists()) == ("queued", False)
    late = [sys.executable, "-m", "workers", "--journal", str(path)]
    done = subprocess.run(late, cwd=checkout, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (3, "")
    assert "withdrawn" in done.stderr


def test_an_outcome_that_nobody_read_is_not_lost(
    store: Store, settings: Settings, recovery: Recovery, gone: ProcessId
) -> None:
    claim = claimed(store, gone)
    outcome = made_outcome()
    path = journal_of(store, settings, claim, *said(gone), Event(event="outcome", at_ns=4, outcome=outcome))
    (adopted,) = recovery.recover()
    assert (adopted.journal, adopted.supervisor.pid) == (path, gone.pid)
    Watch(store, settings, adopted.claim, lambda _notice: None, adopted=adopted).watch(lambda: False)
    run = store.get_run(claim.run_id)
    assert (run.state, run.attempts, run.metrics) == ("succeeded", 1, outcome.metrics)
    assert store.histograms_of(run.id) == outcome.histograms
    assert len(store.samples_of(run.id, limit=10)[0]) == 1
    assert not path.exists()
    assert recovery.recover() == []


def test_a_supervisor_that_died_too_loses_the_run_and_keeps_what_it_said(
    store: Store, settings: Settings, recovery: Recovery, session: subprocess.Popen[bytes], gone: ProcessId
) -> None:
    claim = claimed(store, gone)
    supervisor = identify(session.pid)
    assert supervisor is not None
    journal_of(store, settings, claim, *said(supervisor))
    store.record_supervisor(claim.token, supervisor)
    (adopted,) = recovery.recover()
    session.kill()  # and leaves its worker, as when no signal of a parent's death comes
    Watch(store, settings, adopted.claim, lambda _notice: None, adopted=adopted).watch(lambda: False)
    assert (store.get_run(claim.run_id).state, code_of(store, claim.run_id)) == ("lost", "supervisor_died")
    assert len(store.samples_of(claim.run_id, limit=10)[0]) == 1
    assert session_members(session.pid) == []


def test_one_of_many_adopts(store: Store, settings: Settings, recovery: Recovery, gone: ProcessId) -> None:
    claim = claimed(store, gone)
    journal_of(store, settings, claim, *said(gone))
    assert len(recovery.recover()) == 1
    assert store.adopt(claim.token, myself(), seen=gone, lease_seconds=15) is None
    assert Recovery(store, settings).recover() == []  # its watcher lives: this process


def test_whoever_holds_the_journal_is_left_to_it(
    store: Store, settings: Settings, recovery: Recovery, gone: ProcessId
) -> None:
    claim = claimed(store, gone)
    path = journal_of(store, settings, claim)
    with unattended(path) as nobody_lives:
        assert nobody_lives
        assert recovery.recover() == []
    assert store.get_run(claim.run_id).state == "starting"


def test_a_lease_that_ran_out_is_the_end_after_a_while(store: Store, recovery: Recovery) -> None:
    claim = claimed(store, myself(), lease_seconds=-1)
    assert recovery.recover() == []
    assert store.get_run(claim.run_id).state == "starting"
    while store.get_run(claim.run_id).state == "starting":
        recovery.recover()
    assert code_of(store, claim.run_id) == "lease_expired"
    assert store.heartbeat(claim.token, lease_seconds=15) is None


def test_while_nobody_can_write_no_silence_counts(store: Store, settings: Settings, recovery: Recovery) -> None:
    claim = claimed(store, myself(), lease_seconds=-1)
    recovery.recover()  # the clock of its silence runs
    locked, looking = threading.Event(), threading.Event()

    def lock() -> None:
        with store.db.write():
            time.sleep(2.5 * settings.lease_seconds)  # the outage itself: there is no state to wait for
            locked.set()
            looking.wait()
            time.sleep(0.5 * settings.lease_seconds)

    with ThreadPoolExecutor() as pool:
        outage = pool.submit(lock)
        locked.wait()
        looking.set()
        assert recovery.recover() == []  # its turn comes after the outage
        outage.result()
    assert store.get_run(claim.run_id).state == "starting"
    assert store.heartbeat(claim.token, lease_seconds=15) == "starting"


def test_a_database_that_stays_locked_stops_the_clocks(
    store: Store, settings: Settings, recovery: Recovery, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = claimed(store, myself(), lease_seconds=-1)
    recovery.recover()
    with monkeypatch.context() as away:
        away.setattr(store.db, "write", Mock(side_effect=OperationalError("BEGIN", None, Exception("locked"))))
        time.sleep(1.5 * settings.lease_seconds)  # the outage itself
        with pytest.raises(OperationalError):
            recovery.recover()
    assert recovery.recover() == []
    assert store.get_run(claim.run_id).state == "starting"


def test_a_heartbeat_since_the_look_saves_the_run(store: Store) -> None:
    claim = claimed(store, myself(), lease_seconds=-1)
    (seen,) = store.live_attempts()
    store.heartbeat(claim.token, lease_seconds=15)
    assert not store.give_up(claim.token, "lost", "lease_expired", "Silent.", lease_until=seen.lease_until)


def test_a_watched_run_is_left_alone(store: Store, recovery: Recovery) -> None:
    claim = claimed(store, myself())
    assert recovery.recover() == []
    assert store.get_run(claim.run_id).state == "starting"


def test_pids_of_another_host_mean_nothing_here(store: Store, recovery: Recovery, gone: ProcessId) -> None:
    claim = claimed(store, gone)
    with store.db.write() as connection:
        connection.execute(update(placements).values(host="elsewhere"))
    assert recovery.recover() == []
    assert store.get_run(claim.run_id).state == "starting"


def test_a_run_that_was_to_be_cancelled_is_cancelled(store: Store, recovery: Recovery, gone: ProcessId) -> None:
    claim = claimed(store, gone)
    store.cancel_run(claim.run_id)
    recovery.recover()
    assert store.get_run(claim.run_id).state == "cancelled"


def test_a_reused_pid_is_not_ours_to_kill(session: subprocess.Popen[bytes]) -> None:
    real = identify(session.pid)
    assert real is not None
    kill_session(ProcessId(real.pid, real.start_time - 1))
    assert is_alive(real)
