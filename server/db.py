"""The database and how it is opened: one engine that writes, one that can only read, and the migrations.

Two kinds of database, one behaviour. A writing transaction takes the one write lock when it begins, so that what it has
read is still so when it writes; readers see one state, cannot write, and hold nobody up.

SQLite: WAL mode, and BEGIN IMMEDIATE; a transaction that reads first and asks for the lock later fails under load,
whatever the busy timeout. PostgreSQL: an advisory lock of the transaction, which ends with its client at the latest,
under READ COMMITTED; readers under REPEATABLE READ.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

BUSY_TIMEOUT_MS = 10_000
BUSY_PAUSE_S = 0.005
IDLE_IN_TRANSACTION_MS = 60_000  # a client that is gone without a word loses the write lock after it
CACHE_KIB = 8_192  # pages that each SQLite connection keeps
# As many connections as there are threads. All of them stay open: to open one and to warm its cache takes longer than
# most of what it is asked. A PostgreSQL server is shared, so that fewer stay.
SQLITE_POOL = {"pool_size": 64, "max_overflow": -1}
POSTGRESQL_POOL = {"pool_size": 8, "max_overflow": -1}
MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
WRITE_LOCK = 0x73776170  # "swap": advisory locks are numbers, and each database has its own
KINDS = "give the path of a SQLite file, or postgresql://user@host/database"


class DatabaseError(RuntimeError):
    """The database cannot be opened or brought up to date; the message says which one and why."""


def utc_now(*, plus_seconds: float = 0.0) -> str:
    """This moment as RFC 3339 in UTC with microseconds; such texts sort as the times they stand for."""
    return (datetime.now(UTC) + timedelta(seconds=plus_seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds_since(moment: str) -> float:
    """Seconds from a moment as `utc_now` writes it until now."""
    return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()


def database_url(database: str) -> str:
    """The URL, as SQLAlchemy wants it, of a path or a `postgresql://` URL. Raises DatabaseError."""
    scheme, colon, rest = database.partition("://")
    if not colon:
        return f"sqlite:///{Path(database).expanduser().absolute()}"
    if scheme in ("postgresql", "postgres", "postgresql+psycopg"):
        return f"postgresql+psycopg://{rest}"
    if scheme == "sqlite":
        return database
    raise DatabaseError(f"{scheme} is not supported; {KINDS}")


def shown(database: str) -> str:
    """A path or URL as it may be printed: without its password."""
    return make_url(database).render_as_string(hide_password=True) if "://" in database else database


def parsed_url(url: str) -> URL:
    """The parts of a URL. Raises DatabaseError for one that cannot be read, another kind, and a database in memory."""
    try:
        parsed = make_url(database_url(url))
        port_is_a_number = parsed.port is None or parsed.port > 0
    except (ArgumentError, ValueError) as error:
        raise DatabaseError(f"cannot read the database's URL: {error}; {KINDS}") from error
    if parsed.get_backend_name() == "sqlite" and (not parsed.database or parsed.database == ":memory:"):
        raise DatabaseError("results are shared between processes; give the path of a file, not memory")
    if parsed.get_backend_name() == "postgresql" and not (parsed.database and port_is_a_number):
        raise DatabaseError("the URL names no database; give postgresql://user@host/database")
    return parsed


def is_postgresql(url: str) -> bool:
    """True for a PostgreSQL database, false for a SQLite file. Raises DatabaseError for anything else."""
    return parsed_url(url).get_backend_name() == "postgresql"


def sqlite_path(url: str) -> Path:
    """The file of a SQLite URL. Raises DatabaseError for another kind of database, and for one in memory."""
    parsed = parsed_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database is None:
        raise DatabaseError(f"{shown(url)} is no SQLite file")
    return Path(parsed.database)


def _run_patiently(connection: sqlite3.Connection, statement: str) -> None:
    """Again while SQLite is busy, for BUSY_TIMEOUT_MS: two that make one new file a WAL file at once each hold what the
    other waits for, and SQLite refuses one of them without asking its busy handler."""
    until_ns = time.monotonic_ns() + BUSY_TIMEOUT_MS * 1_000_000
    while True:
        try:
            connection.execute(statement)
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY  # the low byte is the primary code
            if not busy or time.monotonic_ns() >= until_ns:
                raise
            time.sleep(BUSY_PAUSE_S)


def _prepare_sqlite(engine: Engine, *, begin: str, pragmas: tuple[str, ...]) -> Engine:
    """Have every connection of `engine` run `pragmas`, and every transaction start with `begin`."""

    @event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself
        for pragma in pragmas:
            _run_patiently(connection, f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _postgresql_engine(url: str, **options: str | int) -> Engine:
    """An engine whose sessions have `options`; a connection that the server has closed meanwhile is replaced."""
    settings = {"timezone": "UTC", "lock_timeout": BUSY_TIMEOUT_MS, **options}
    words = " ".join(f"-c {name}={value}" for name, value in settings.items())
    given = {"options": words, "application_name": "swaprace", "connect_timeout": 10}
    try:
        return create_engine(parsed_url(url), connect_args=given, pool_pre_ping=True, **POSTGRESQL_POOL)
    except (ImportError, NoSuchModuleError) as error:
        raise DatabaseError(f"PostgreSQL needs psycopg ({error}): pip install 'swaprace[postgres]'") from error


def writing_engine(url: str) -> Engine:
    """Engine for transactions that write: each holds the write lock of the database from its start."""
    if is_postgresql(url):
        engine = _postgresql_engine(url, idle_in_transaction_session_timeout=IDLE_IN_TRANSACTION_MS)

        @event.listens_for(engine, "begin")
        def on_begin(connection: Connection) -> None:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})")

        return engine
    pragmas = (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        f"cache_size=-{CACHE_KIB}",
    )
    return _prepare_sqlite(create_engine(parsed_url(url), **SQLITE_POOL), begin="BEGIN IMMEDIATE", pragmas=pragmas)


def reading_engine(url: str) -> Engine:
    """Engine for transactions that read one state: SQLite's file is opened with mode=ro, and query_only is on."""
    if is_postgresql(url):
        return _postgresql_engine(
            url, default_transaction_read_only="on", default_transaction_isolation=r"repeatable\ read"
        )
    uri = sqlite_path(url).absolute().as_uri() + "?mode=ro"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(uri, uri=True, check_same_thread=False)

    engine = create_engine(parsed_url(url), creator=connect, **SQLITE_POOL)
    pragmas = (f"busy_timeout={BUSY_TIMEOUT_MS}", "query_only=ON", f"cache_size=-{CACHE_KIB}")
    return _prepare_sqlite(engine, begin="BEGIN", pragmas=pragmas)


def alembic_config(url: str) -> Config:
    """Alembic set up in code: where the migrations are and which database they are for."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def upgrade(url: str) -> None:
    """Make a SQLite database when it is missing, and bring any to the newest migration.

    Processes that start together wait for each other: the whole upgrade is one transaction under the write lock.
    Raises DatabaseError.
    """
    if not is_postgresql(url):
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
        named = parsed_url(url)
        name = named.database if named.get_backend_name() == "sqlite" else shown(url)
        raise DatabaseError(f"cannot open the database {name}: {str(error.orig).strip()}") from error
    finally:
        engine.dispose()


def revision_of(url: str) -> str | None:
    """The newest migration that a database has; None for one without any. Raises DatabaseError when it is not there."""
    engine = reading_engine(url)
    try:
        with engine.begin() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    except DBAPIError as error:
        raise DatabaseError(f"cannot open the database {shown(url)}: {str(error.orig).strip()}") from error
    finally:
        engine.dispose()


class Database:
    """Both engines of one database. `write` and `read` are one transaction each."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_postgresql = is_postgresql(url)
        self._writer = writing_engine(url)
        self._reader = reading_engine(url)

    @contextmanager
    def write(self, *, tell: threading.Event | None = None) -> Iterator[Connection]:
        """A transaction that holds the write lock from its start; committed unless the block raises.

        `tell` is set once what was written can be seen.
        """
        with self._writer.begin() as connection:
            yield connection
        if tell is not None:
            tell.set()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database and cannot change it."""
        with self._reader.begin() as connection:
            yield connection

    def vacuum(self) -> None:
        """Write SQLite's file anew, without the room that deleted rows left."""
        connection = sqlite3.connect(sqlite_path(self.url), timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None)
        try:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()

    def close(self) -> None:
        """Close every pooled connection."""
        self._writer.dispose()
        self._reader.dispose()
