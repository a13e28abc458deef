"""After a crash: what nobody watches is buried, with its processes; what waits goes on waiting."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from server.processes import ProcessId, identify, is_alive, kill_session, myself, session_members
from server.recovery import bury
from server.store import Claim, Store
from workers.spec import RunSpec

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


def claimed(store: Store, owner: ProcessId, lease_seconds: float = 15) -> Claim:
    store.create_run(RunSpec(protocol="swap_cache"))
    claim = store.claim(owner, lease_seconds=lease_seconds)
    assert claim is not None
    return claim


def test_a_run_whose_dispatcher_is_gone_is_lost_with_its_processes(
    store: Store, gone: ProcessId, session: subprocess.Popen[bytes]
) -> None:
    supervisor = identify(session.pid)
    assert supervisor is not None
    assert len(session_members(session.pid)) == 2
    claim = claimed(store, gone)
    store.record_supervisor(claim.token, supervisor)
    store.mark_running(claim.token)
    store.add_sample(claim.token, 1, {"operations": 5})
    queued = store.create_run(RunSpec(protocol="has_cache"))
    assert bury(store) == [claim.run_id]
    assert session_members(session.pid) == []
    run = store.get_run(claim.run_id)
    assert run.state == "lost"
    assert run.state_reason is not None
    assert run.state_reason.code == "dispatcher_died"
    assert len(store.samples_of(run.id, limit=10)[0]) == 1
    assert store.get_run(queued.id).state == "queued"
    assert bury(store) == []


def test_a_lease_that_ran_out_is_the_end(store: Store) -> None:
    claim = claimed(store, myself(), lease_seconds=-1)
    assert bury(store) == [claim.run_id]
    reason = store.get_run(claim.run_id).state_reason
    assert reason is not None
    assert reason.code == "lease_expired"
    assert store.heartbeat(claim.token, lease_seconds=15) is None


def test_a_watched_run_is_left_alone(store: Store) -> None:
    claim = claimed(store, myself())
    assert bury(store) == []
    assert store.get_run(claim.run_id).state == "starting"


def test_a_run_that_was_to_be_cancelled_is_cancelled(store: Store, gone: ProcessId) -> None:
    claim = claimed(store, gone)
    store.cancel_run(claim.run_id)
    assert bury(store) == [claim.run_id]
    assert store.get_run(claim.run_id).state == "cancelled"


def test_a_heartbeat_since_the_look_saves_the_run(store: Store) -> None:
    claim = claimed(store, myself(), lease_seconds=-1)
    (seen,) = store.live_attempts()
    store.heartbeat(claim.token, lease_seconds=15)
    assert not store.give_up(claim.token, "lost", "lease_expired", "Silent.", lease_until=seen.lease_until)


def test_a_reused_pid_is_not_ours_to_kill(session: subprocess.Popen[bytes]) -> None:
    real = identify(session.pid)
    assert real is not None
    kill_session(ProcessId(real.pid, real.start_time - 1))
    assert is_alive(real)
