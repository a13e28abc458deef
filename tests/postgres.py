"""A private PostgreSQL cluster for tests: made in a temporary folder, reached by a Unix socket, gone at the end.

initdb refuses root, so as root everything of the cluster belongs to an unprivileged user. fsync is off: what is in it
is worth nothing after the tests.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

OWNER = "lab"  # as a lab's administrator would make it: owns its databases, may make roles, is no superuser
START_SECONDS = 60
STOP_SECONDS = 30
STARTER = ("setpriv", "--pdeathsig", "INT", "--")  # the server ends with whoever started it
OPTIONS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "autovacuum": "off",
    "log_min_messages": "fatal",
}


def binaries() -> Path | None:
    """The folder of initdb and postgres, of the newest version that is installed; None when there is none."""
    found = shutil.which("postgres")
    folders = [Path(found).parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


def _unprivileged() -> dict[str, Any]:
    """Whom to run the cluster as, as subprocess takes it; nothing for somebody who is not root."""
    if os.getuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    entry = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


class Cluster:
    """A running cluster, whose databases are cloned from a template: that is faster than to migrate each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def url(self, database: str) -> str:
        """The URL of a database as its owner reaches it."""
        return f"postgresql://{OWNER}@/{database}?host={self._folder}"

    def run(self, statement: str) -> None:
        """Run one statement as the superuser of the cluster."""
        with psycopg.connect(f"host={self._folder} user=root dbname=postgres", autocommit=True) as connection:
            connection.execute(statement.encode())

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """A database of its own, as a URL; dropped at the end, whoever is still connected."""
        name = f"test_{secrets.token_hex(6)}"
        self.run(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {template}")
        try:
            yield self.url(name)
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def make_template(self, name: str) -> None:
        """A database that others are cloned from, migrated to the newest."""
        from server.db import upgrade

        self.run(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE template0")
        upgrade(self.url(name))


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster that is up. Raises RuntimeError when PostgreSQL is not installed."""
    programs = binaries()
    if programs is None:
        raise RuntimeError("PostgreSQL is not installed: apt-get install postgresql")
    who = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="swaprace-pg-"))
    if who:
        os.chown(folder, who["user"], who["group"])
    try:
        made = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", "root", "-A", "trust", "-E", "UTF8"]
        subprocess.run([*made, "--locale=C", "--no-sync"], check=True, stdout=subprocess.DEVNULL, cwd=folder, **who)
        options = [part for name, value in OPTIONS.items() for part in ("-c", f"{name}={value}")]
        command = [str(programs / "postgres"), "-D", str(folder / "data"), "-k", str(folder), *options]
        with subprocess.Popen([*STARTER, *command], cwd=folder, **who) as server:
            try:
                running = Cluster(folder)
                _wait(running, server)
                running.run(f"CREATE ROLE {OWNER} LOGIN CREATEROLE CREATEDB")
                yield running
            finally:
                server.send_signal(signal.SIGINT)  # its fast shutdown: clients are sent away
                try:
                    server.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    server.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(running: Cluster, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            running.run("SELECT 1")
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.02)
