"""The database itself: how it is opened, that the migrations make what the models say, and that all of them go back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import OperationalError

from server.db import DatabaseError, alembic_config, upgrade, writing_engine
from server.models import metadata
from server.store import Store


def test_pragmas(store: Store) -> None:
    with store.db.write() as connection:
        values = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert values == {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "busy_timeout": 10_000}


def test_a_reader_cannot_write(store: Store) -> None:
    with store.db.read() as connection, pytest.raises(OperationalError, match="readonly"):
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


def test_every_migration_goes_back(url: str) -> None:
    upgrade(url)
    engine = writing_engine(url)
    with engine.begin() as connection:
        config = alembic_config(url)
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        names = "SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND name NOT LIKE 'alembic%'"
        assert connection.exec_driver_sql(names).all() == []
    engine.dispose()
    upgrade(url)


def test_many_processes_may_upgrade_at_once(url: str, checkout: Path) -> None:
    program = [sys.executable, "-c", "import sys; from server.db import upgrade; upgrade(sys.argv[1])", url]
    started = [subprocess.Popen(program, cwd=checkout) for _ in range(2)]
    assert [process.wait() for process in started] == [0, 0]


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="unable to open"):
        upgrade(f"sqlite:///{tmp_path}")
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseError, match="directory"):
        upgrade(f"sqlite:///{tmp_path}/file/results.db")
    with pytest.raises(DatabaseError, match="not memory"):
        upgrade("sqlite://")
    with pytest.raises(DatabaseError, match="postgresql is not supported"):
        upgrade("postgresql://host/name")
    (tmp_path / "no.db").write_text("this is no database, and long enough to show it" * 100)
    with pytest.raises(DatabaseError, match="not a database"):
        upgrade(f"sqlite:///{tmp_path}/no.db")
