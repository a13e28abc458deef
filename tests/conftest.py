"""Shared by all tests: where the checkout is, and the check that no test leaves anything of ours behind.

After every test there must be no segment, no named semaphore and no process that the test has made. Processes are told
by an environment variable that all programs started from this session inherit, and by being children of this process;
what others on the machine do meanwhile is none of our business.
"""

from __future__ import annotations

import os
import secrets
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

ROOT = str(Path(__file__).resolve().parents[1])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from shm.segment import entries, start_time  # noqa: E402
from workers.catalogue import SOUND  # noqa: E402

if TYPE_CHECKING:
    from tests.postgres import Cluster
    from workers.executors.script import Machine

TEMPLATE = "migrated"
SESSION_VARIABLE = "SWAPRACE_TEST_SESSION"
SESSION = secrets.token_hex(8)
os.environ[SESSION_VARIABLE] = SESSION
PATIENCE_NS = 3_000_000_000  # for what is on its way out when its test ends
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A script has started us in its background. Whoever we start would not hear SIGINT either, as submitit's jobs must.
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Process(NamedTuple):
    """A process that is there, told apart from others that have its pid later by its start time."""

    pid: int
    start: int
    parent: int
    command: str


def inspect(pid: int) -> Process | None:
    """A living process that was started from this test session; None for any other."""
    start = start_time(pid)
    try:
        ours = f"{SESSION_VARIABLE}={SESSION}".encode() in Path(f"/proc/{pid}/environ").read_bytes()
        parent = int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (OSError, IndexError):
        return None  # gone meanwhile, or another user's
    if start is None or not (ours or parent == os.getpid()) or "resource_tracker" in command:
        return None
    return Process(pid, start, parent, command[:200])


class Census:
    """The processes of the session. Whoever was seen as a stranger is not looked at again while it is there."""

    def __init__(self) -> None:
        self.strangers: set[int] = {os.getpid()}

    def take(self) -> set[Process]:
        """All living processes that were started from this test session, less this one."""
        there = {int(entry) for entry in os.listdir("/proc") if entry.isdigit()}
        self.strangers &= there
        seen = {pid: inspect(pid) for pid in there - self.strangers}
        self.strangers |= {pid for pid, process in seen.items() if process is None}
        return {process for process in seen.values() if process is not None}


CENSUS = Census()


def left_processes(before: set[Process]) -> list[Process]:
    """Processes of this session that were not there `before` and are not descended from one that was: a server that
    serves several tests may start and end its own."""
    now = {process.pid: process for process in CENSUS.take()}
    old = {process.pid for process in before}

    def descended(process: Process) -> bool:
        parent = now.get(process.parent)
        return process.pid in old or (parent is not None and descended(parent))

    return [process for process in now.values() if not descended(process)]


def left_entries(before: set[str], living: set[Process]) -> list[str]:
    """Segments and semaphores that were not there `before`, and whose owner is gone, or is of this session."""
    ours = {process.pid for process in living} | {os.getpid()}
    left = []
    for entry in set(entries()) - before:
        pid, start = (int(part) for part in entry.removeprefix("sem.").split("-")[1:3])
        if start_time(pid) != start or pid in ours:
            left.append(entry)
    return sorted(left)


def wait_for_exit(pids: list[int], timeout_ns: int) -> list[int]:
    """Those of `pids` that are still there after `timeout_ns`, children or not."""
    poll = select.poll()
    pidfds = {}
    for pid in pids:
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        pidfds[pidfd] = pid
        poll.register(pidfd, select.POLLIN)
    until_ns = time.monotonic_ns() + timeout_ns
    left = dict(pidfds)
    while left and time.monotonic_ns() < until_ns:
        for pidfd, _ in poll.poll(max(1, (until_ns - time.monotonic_ns()) // 1_000_000)):
            poll.unregister(pidfd)
            del left[pidfd]
    for pidfd in pidfds:
        os.close(pidfd)
    return list(left.values())


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL cluster of this session, up from the first test that needs it, with a migrated template."""
    from tests.postgres import binaries, cluster

    if binaries() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with cluster() as running:
        running.make_template(TEMPLATE)
        yield running


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database that is up to date: tests start from a copy, which is faster than to migrate for each."""
    from server.db import upgrade

    path = tmp_path_factory.mktemp("empty") / "results.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database that is up to date, of each kind, as SWAPRACE_DATABASE names it."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("empty_sqlite"), tmp_path / "results.db")
        yield str(tmp_path / "results.db")
        return
    with request.getfixturevalue("postgres").database(TEMPLATE) as url:
        yield url


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the checkout that is under test."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails the test that leaves a segment, a named semaphore or a process behind."""
    if "postgresql" in getattr(getattr(request.node, "callspec", None), "params", {}).values():
        request.getfixturevalue("postgres")  # the cluster of the session is up before the processes are counted
    processes, names = CENSUS.take(), set(entries())
    yield
    left = left_processes(processes)
    if left:
        wait_for_exit([process.pid for process in left], PATIENCE_NS)
        left = left_processes(processes)
    assert not left, f"processes left behind: {left}"
    names_left = left_entries(names, CENSUS.take())
    until_ns = time.monotonic_ns() + PATIENCE_NS
    while names_left and time.monotonic_ns() < until_ns:  # the orphan of another session is swept there, soon
        select.poll().poll(50)
        names_left = sorted(set(names_left).intersection(entries()))
    assert not names_left, f"left in shared memory: {names_left}"


@pytest.fixture(params=["processes", "cooperative"])
def executor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=SOUND)
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def schedules(executor: str) -> int:
    """How often a race is played: real CPUs take milliseconds a time, cooperative ones a fraction of one."""
    return 3 if executor == "processes" else 100


@pytest.fixture
def machine(protocol: str, executor: str) -> Callable[..., Machine]:
    """Makes small machines of every sound protocol on every executor; by name, fields of the spec that differ."""
    from workers.executors.script import Machine, small_spec  # only here: most tests need no compiled core

    def make(**other: Any) -> Machine:
        return Machine(small_spec(protocol, executor, **other))

    return make
