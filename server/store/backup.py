"""One state of the whole database as one SQLite file, while others write."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from sqlalchemy import Connection, insert, select

from server.db import Database, sqlite_path, upgrade
from server.models import metadata

PAGES_AT_ONCE = 2_000
ROWS_AT_ONCE = 500


def write_backup(database: Database, path: Path) -> None:
    """Write the database to `path`, a file that is not there yet, readable by its owner alone.

    SQLite's online backup; of PostgreSQL a copy of every row into a file of the same schema. Raises FileExistsError,
    OSError, sqlite3.Error, SQLAlchemy's DBAPIError; then there is no file.
    """
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        if database.is_postgresql:
            _copy_rows(database, path)
        else:
            _copy_pages(sqlite_path(database.url), path)
        _leave_one_file(path)
    except BaseException:
        for left in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
            left.unlink(missing_ok=True)
        raise


def _copy_pages(source: Path, target: Path) -> None:
    reader = sqlite3.connect(source.absolute().as_uri() + "?mode=ro", uri=True)
    writer = sqlite3.connect(target)
    try:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_master").fetchone()  # from here on one state is read
        reader.backup(writer, pages=PAGES_AT_ONCE)
    finally:
        writer.close()
        reader.close()


def _copy_rows(database: Database, target: Path) -> None:
    upgrade(str(target))
    copy = Database(str(target))
    try:
        with database.read() as source, copy.write() as sink:
            for table in metadata.sorted_tables:
                _copy_table(source, sink, table.name)
    finally:
        copy.close()


def _copy_table(source: Connection, sink: Connection, name: str) -> None:
    table = metadata.tables[name]
    rows = source.execution_options(stream_results=True, max_row_buffer=ROWS_AT_ONCE).execute(select(table))
    for part in rows.mappings().partitions(ROWS_AT_ONCE):
        sink.execute(insert(table), [dict(row) for row in part])


def _leave_one_file(path: Path) -> None:
    """Out of WAL mode: a copy is one file, and a server that opens it goes back to WAL by itself."""
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA journal_mode=DELETE")
    finally:
        connection.close()
