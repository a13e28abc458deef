"""The parts of a storm: servers that are restarted, the load, the killer, and a ledger of what supervisors have said.

Only processes that the storm has started are ever killed, by their pids: servers that it holds, and what runs with a
journal in its own directory, which lies in the temporary folder of the test.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg

from server.config import Settings
from server.processes import session_members
from workers.outcome import Event, Outcome

SERVERS = 2
START_SECONDS = 60
LEASE_SECONDS = 5.0
LOOK_SECONDS = 0.01
HERE = Path(__file__).parent


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number: int = listener.getsockname()[1]
    return number


def until(done: Callable[[], bool], seconds: float, what: str) -> None:
    """Return once `done()` is true; fail the test when it is not in time."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)


class ServerProcess:
    """`swaprace serve` on one port, started again whenever it is gone."""

    def __init__(self, settings: Settings, checkout: Path, log: Path) -> None:
        self.port = free_port()
        self._checkout, self._log = checkout, log
        given = {"database": settings.database, "journals": settings.journals, "lease_seconds": LEASE_SECONDS}
        self._environ = {**os.environ, **{f"SWAPRACE_{name.upper()}": str(value) for name, value in given.items()}}
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "server.cli", "serve", "--port", str(self.port)]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                command, cwd=self._checkout, env=self._environ, stderr=log, stdout=log, start_new_session=True
            )

    def answers(self) -> bool:
        """True when the port takes connections."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def keep_up(self) -> None:
        """Start it again when it is gone."""
        if self.process.poll() is not None:
            self.process = self._start()

    def pids(self) -> list[int]:
        """gunicorn's master and its worker: they lead a session of their own."""
        return session_members(self.process.pid)

    def stop(self) -> None:
        """Ask it to end, and see to it."""
        self.process.terminate()
        try:
            self.process.wait(START_SECONDS)
        finally:
            for pid in self.pids():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()


class Ledger:
    """What every supervisor has said: its journal gets a second name here, which stays when the first is removed."""

    def __init__(self, journals: Path, kept: Path) -> None:
        self._journals, self._kept = journals, kept
        kept.mkdir()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="ledger", daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            for path in self._journals.glob("*.journal"):
                with suppress(FileExistsError, FileNotFoundError):
                    os.link(path, self._kept / path.name)

    def close(self) -> dict[str, Outcome]:
        """Token of the attempt -> the outcome that its supervisor said, for those that said one."""
        self._stop.set()
        self._thread.join()
        said = {}
        for path in self._kept.iterdir():
            for line in path.read_bytes().splitlines()[1:]:
                event = Event.model_validate_json(line)
                if event.outcome is not None:
                    said[path.stem] = event.outcome
        return said

    def supervisors(self) -> list[int]:
        """Pids of living supervisors whose journal is one of ours."""
        mine = str(self._journals).encode()
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError):  # gone meanwhile
                words = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
                ours = b"--journal" in words and words[words.index(b"--journal") + 1].startswith(mine)
                if ours and os.getsid(int(entry)) == int(entry):
                    found.append(int(entry))
        return found


class Killer:
    """Kills one thing at a time, at random moments, and counts what it has killed."""

    def __init__(self, servers: list[ServerProcess], ledger: Ledger, settings: Settings, seed: int) -> None:
        self._servers, self._ledger, self._settings = servers, ledger, settings
        self._random = random.Random(seed)
        self.killed: Counter[str] = Counter()

    def strike(self) -> None:
        """Kill something of a random kind, once there is something of it."""
        kind = self._random.choice(("server", "supervisor", "worker", "connection"))
        strike = {
            "server": self._server,
            "supervisor": self._supervisor,
            "worker": self._worker,
            "connection": self._connection,
        }[kind]
        end = time.monotonic() + START_SECONDS
        while not strike():
            for server in self._servers:
                server.keep_up()
            assert time.monotonic() < end, f"there is no {kind} to kill"
            time.sleep(0.005)
        self.killed[kind] += 1

    def _kill(self, pids: list[int]) -> bool:
        if not pids:
            return False
        try:
            os.kill(self._random.choice(pids), signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def _server(self) -> bool:
        server = self._random.choice(self._servers)
        if not server.answers():
            return False
        if self._random.random() < 0.5:
            return self._kill(server.pids())  # gunicorn's master or its worker; the other one notices
        killed = [self._kill([pid]) for pid in server.pids()]
        server.process.wait()
        return any(killed)

    def _supervisor(self) -> bool:
        return self._kill(self._ledger.supervisors())

    def _worker(self) -> bool:
        members = [pid for leader in self._ledger.supervisors() for pid in session_members(leader) if pid != leader]
        return self._kill(members)

    def _connection(self) -> bool:
        if self._settings.database.startswith("postgresql"):
            return self._backend()
        return self._writer()

    def _backend(self) -> bool:
        """Have PostgreSQL end the connection of one of the servers."""
        others = "SELECT pid FROM pg_stat_activity WHERE application_name = 'swaprace' AND datname = current_database()"
        with psycopg.connect(self._settings.database, autocommit=True) as connection:
            pids = [row[0] for row in connection.execute(others)]
            if not pids:
                return False
            connection.execute("SELECT pg_terminate_backend(%s)", [self._random.choice(pids)])
        return True

    def _writer(self) -> bool:
        """Another process of SQLite takes the write lock, changes every run, and dies without a word."""
        program = (
            "import sqlite3, sys, time; db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30);"
            "db.execute('PRAGMA cache_size=1'); db.execute('BEGIN IMMEDIATE');"
            "db.execute(\"UPDATE runs SET state = 'failed', reason = 'torn'\"); print(flush=True); time.sleep(60)"
        )
        command = [sys.executable, "-c", program, self._settings.database]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(self._random.random())
            process.kill()
        return True


def start_load(checkout: Path, ports: list[int], promises: Path, users: int, log: Path) -> subprocess.Popen[bytes]:
    """Locust with the users of users.py, headless, until it is terminated."""
    command = [sys.executable, "-m", "locust", "-f", str(HERE / "users.py"), "--headless", "--only-summary"]
    command += ["--users", str(users), "--spawn-rate", str(users), "--stop-timeout", "70"]
    environ = {**os.environ, "CHAOS_PORTS": ",".join(map(str, ports)), "CHAOS_PROMISES": str(promises)}
    with log.open("wb") as output:
        return subprocess.Popen(
            command, cwd=checkout, env=environ, stdout=output, stderr=output, start_new_session=True
        )


def read_promises(path: Path) -> list[dict[str, Any]]:
    """What the users have written down."""
    return [json.loads(line) for line in path.read_text().splitlines()]
