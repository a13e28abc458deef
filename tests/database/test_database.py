"""The database itself: how it is opened, that the migrations make what the models say, and that all of them go back."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import DBAPIError

from server.db import (
    Database,
    DatabaseError,
    _run_patiently,
    alembic_config,
    parsed_url,
    shown,
    upgrade,
    writing_engine,
)
from server.models import metadata
from server.store import Store
from tests.postgres import Cluster


def test_pragmas(url: str) -> None:
    upgrade(url)
    database = Database(url)
    with database.write() as connection:
        values = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    database.close()
    assert values == {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "busy_timeout": 10_000}


class Busy:
    """A connection that is busy so many times, under the extended code, and then does what it is asked."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.asked = 0

    def execute(self, _statement: str) -> None:
        self.asked += 1
        if self.left:
            self.left -= 1
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY_RECOVERY
            raise error


def test_a_statement_is_run_again_while_the_file_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    twice, ever = Busy(2), Busy(1_000_000)
    _run_patiently(cast(sqlite3.Connection, twice), "PRAGMA journal_mode=WAL")
    assert twice.asked == 3
    monkeypatch.setattr("server.db.BUSY_TIMEOUT_MS", 50)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        _run_patiently(cast(sqlite3.Connection, ever), "PRAGMA journal_mode=WAL")
    assert ever.asked > 1


def test_a_reader_cannot_write(store: Store) -> None:
    with store.db.read() as connection, pytest.raises(DBAPIError, match=r"readonly|read-only"):
        connection.exec_driver_sql("DELETE FROM runs")


def test_a_reader_sees_one_state_while_others_write(store: Store) -> None:
    count = "SELECT count(*) FROM studies"
    row = "INSERT INTO studies (name, arms, repeats, seed, created_at) VALUES ('', '[]', 1, 1, '')"
    with store.db.read() as reader:
        assert reader.exec_driver_sql(count).scalar_one() == 0
        with store.db.write() as writer:
            writer.exec_driver_sql(row)
        assert reader.exec_driver_sql(count).scalar_one() == 0
    with store.db.read() as reader:
        assert reader.exec_driver_sql(count).scalar_one() == 1


def test_the_migrations_make_what_the_models_say(store: Store) -> None:
    with store.db.write() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


THERE = {
    "sqlite": "SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND name NOT LIKE 'alembic%'",
    "postgresql": "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname !~ '^alembic'",
}


def test_every_migration_goes_back(database: str) -> None:
    engine = writing_engine(database)
    with engine.begin() as connection:
        config = alembic_config(database)
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert connection.exec_driver_sql(THERE[connection.dialect.name]).all() == []
    engine.dispose()
    upgrade(database)


def upgrade_twice_at_once(url: str, checkout: Path) -> list[int]:
    program = [sys.executable, "-c", "import sys; from server.db import upgrade; upgrade(sys.argv[1])", url]
    started = [subprocess.Popen(program, cwd=checkout) for _ in range(2)]
    return [process.wait() for process in started]


def test_many_processes_may_upgrade_a_file_at_once(url: str, checkout: Path) -> None:
    assert upgrade_twice_at_once(url, checkout) == [0, 0]


def test_many_processes_may_upgrade_a_database_of_postgresql_at_once(postgres: Cluster, checkout: Path) -> None:
    with postgres.database() as url:
        assert upgrade_twice_at_once(url, checkout) == [0, 0]


def test_a_password_is_not_shown() -> None:
    assert shown("postgresql://lab:secret@db.example/results") == "postgresql://lab:***@db.example/results"
    assert parsed_url("postgres://lab:secret@db.example/results").drivername == "postgresql+psycopg"


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="unable to open"):
        upgrade(f"sqlite:///{tmp_path}")
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseError, match="directory"):
        upgrade(f"sqlite:///{tmp_path}/file/results.db")
    with pytest.raises(DatabaseError, match="not memory"):
        upgrade("sqlite://")
    with pytest.raises(DatabaseError, match="mysql is not supported; give the path of a SQLite file, or postgresql"):
        upgrade("mysql://host/name")
    with pytest.raises(DatabaseError, match="names no database"):
        upgrade("postgresql://host")
    with pytest.raises(DatabaseError, match=r"cannot open the database postgresql://lab:\*\*\*@/name"):
        upgrade(f"postgresql://lab:secret@/name?host={tmp_path}")
    (tmp_path / "no.db").write_text("this is no database, and long enough to show it" * 100)
    with pytest.raises(DatabaseError, match="not a database"):
        upgrade(f"sqlite:///{tmp_path}/no.db")
