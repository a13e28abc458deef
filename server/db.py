"""The database and how it is opened: one engine that writes, one that can only read, and the migrations.

SQLite in WAL mode. A writer takes the write lock at BEGIN (BEGIN IMMEDIATE): a transaction that reads first and asks
for the lock later fails under load, whatever the busy timeout. Readers use connections that refuse to write and that
never hold a writer up.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError

BUSY_TIMEOUT_MS = 10_000
POOL = {"pool_size": 8, "max_overflow": -1}  # as many connections as there are threads; eight stay open
MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"


class DatabaseError(RuntimeError):
    """The database cannot be opened or brought up to date; the message says which file and why."""


def utc_now(*, plus_seconds: float = 0.0) -> str:
    """This moment as RFC 3339 in UTC with microseconds; such texts sort as the times they stand for."""
    return (datetime.now(UTC) + timedelta(seconds=plus_seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def sqlite_path(url: str) -> Path:
    """The file of a SQLite URL. Raises DatabaseError for another kind of database, and for one in memory."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        raise DatabaseError(f"{parsed.get_backend_name()} is not supported here; give sqlite:////path/of/a/file.db")
    if not parsed.database or parsed.database == ":memory:":
        raise DatabaseError("results are shared between processes; give sqlite:////path/of/a/file.db, not memory")
    return Path(parsed.database)


def _prepare(engine: Engine, *, begin: str, pragmas: tuple[str, ...]) -> Engine:
    """Have every connection of `engine` run `pragmas`, and every transaction start with `begin`."""

    @event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def writing_engine(url: str) -> Engine:
    """Engine for transactions that write: WAL, synchronous=NORMAL, foreign keys, BEGIN IMMEDIATE."""
    sqlite_path(url)
    pragmas = (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
    )
    return _prepare(create_engine(url, **POOL), begin="BEGIN IMMEDIATE", pragmas=pragmas)


def reading_engine(url: str) -> Engine:
    """Engine for transactions that read: the file is opened with mode=ro, and query_only is on."""
    uri = sqlite_path(url).absolute().as_uri() + "?mode=ro"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(uri, uri=True, check_same_thread=False)

    engine = create_engine(url, creator=connect, **POOL)
    return _prepare(engine, begin="BEGIN", pragmas=(f"busy_timeout={BUSY_TIMEOUT_MS}", "query_only=ON"))


def alembic_config(url: str) -> Config:
    """Alembic set up in code: where the migrations are and which database they are for."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def upgrade(url: str) -> None:
    """Make the database of `url` when it is missing, and bring it to the newest migration.

    Processes that start together wait for each other: the whole upgrade is one BEGIN IMMEDIATE transaction.
    Raises DatabaseError.
    """
    path = sqlite_path(url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseError(f"cannot make the directory of the database {path}: {error}") from error
    engine = writing_engine(url)
    try:
        with engine.begin() as connection:
            config = alembic_config(url)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as error:
        raise DatabaseError(f"cannot open the database {path}: {error.orig}") from error
    finally:
        engine.dispose()


class Database:
    """Both engines of one database. `write` and `read` are one transaction each."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._writer = writing_engine(url)
        self._reader = reading_engine(url)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its start; committed unless the block raises."""
        with self._writer.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database and cannot change it."""
        with self._reader.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every pooled connection."""
        self._writer.dispose()
        self._reader.dispose()


def row_dict(row: Any) -> dict[str, Any]:
    """A result row as a plain dictionary."""
    return dict(row._mapping)
