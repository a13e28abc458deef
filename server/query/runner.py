"""Starts a helper process for each statement, reads its rows, and ends it: nothing of it outlives the answer."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.config import Settings
from server.db import is_postgresql, parsed_url, sqlite_path
from server.query.views import VIEWS

SANDBOX = Path(__file__).with_name("sandbox.py")
START_SECONDS = 5.0  # for the interpreter to start on a busy machine, beside the time of the statement
READ_BYTES = 1 << 18


class QueryError(Exception):
    """A statement that was not answered: `code` for programs (refused, wrong, too_slow, too_large), and a sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class QueryBusyError(Exception):
    """As many statements as may are being answered."""


@dataclass(frozen=True)
class Answer:
    """Rows in the order of the statement. `truncated`: there are more than were asked for."""

    columns: list[str]
    rows: list[list[Any]]
    truncated: bool
    elapsed_ns: int


class QueryRunner:
    """Answers statements about one database, a few at a time. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._free = threading.BoundedSemaphore(settings.query_processes)

    def ask(self, sql: str, rows: int) -> Answer:
        """The answer to one statement. Raises QueryError, QueryBusyError."""
        started = time.perf_counter_ns()
        with self.stream(sql, rows) as (columns, lines):
            found: list[list[Any]] = []
            truncated = False
            for line in lines:
                if isinstance(line, dict):
                    truncated = bool(line["truncated"])
                else:
                    found.append(line)
        return Answer(columns, found, truncated, time.perf_counter_ns() - started)

    @contextmanager
    def stream(self, sql: str, rows: int) -> Iterator[tuple[list[str], Iterator[Any]]]:
        """The names of the columns, and an iterator of rows whose last item says how many they were.

        Raises QueryError, QueryBusyError; the iterator raises QueryError.
        """
        if not self._free.acquire(blocking=False):
            raise QueryBusyError(f"{self._settings.query_processes} queries are being answered; ask again in a moment")
        try:
            with self._sandbox(sql, rows) as process:
                lines = self._lines(process)
                yield next(lines)["columns"], lines
        finally:
            self._free.release()

    @contextmanager
    def _sandbox(self, sql: str, rows: int) -> Iterator[subprocess.Popen[bytes]]:
        settings = self._settings
        request = {
            "database": self._target(),
            "views": list(VIEWS),
            "sql": sql,
            "rows": rows,
            "seconds": settings.query_seconds,
            "bytes": settings.query_memory_bytes,
        }
        flags = ["-I"] if is_postgresql(settings.database_url) else ["-I", "-S"]  # -S: psycopg is a site package
        command = [sys.executable, *flags, str(SANDBOX)]
        pipe = subprocess.PIPE
        environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
        with subprocess.Popen(
            command,
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=environment,
            start_new_session=True,
        ) as process:
            try:
                assert process.stdin is not None
                process.stdin.write(json.dumps(request).encode() + b"\n")
                process.stdin.close()
                yield process
            finally:
                process.kill()

    def _target(self) -> str | dict[str, Any]:
        """The database as the helper opens it: a read-only URI of SQLite, or the words of psycopg."""
        url = self._settings.database_url
        if not is_postgresql(url):
            return sqlite_path(url).absolute().as_uri() + "?mode=ro"
        parsed = parsed_url(url)
        return {**parsed.translate_connect_args(username="user", database="dbname"), **parsed.query}

    def _lines(self, process: subprocess.Popen[bytes]) -> Iterator[Any]:
        """Documents of the helper, which may each be as late as the statement may take."""
        assert process.stdout is not None
        unread = b""
        poll = select.poll()  # select(2) takes no descriptor beyond 1023, and a thousand clients have those
        poll.register(process.stdout, select.POLLIN)
        while True:
            patience = self._settings.query_seconds + START_SECONDS
            if not poll.poll(1e3 * patience):
                raise QueryError("too_slow", f"it takes longer than {self._settings.query_seconds:g} s")
            read = os.read(process.stdout.fileno(), READ_BYTES)
            if not read:
                raise self._end_of(process)
            *lines, unread = (unread + read).split(b"\n")
            for line in lines:
                document = json.loads(line)
                if isinstance(document, dict) and "error" in document:
                    raise QueryError(document["code"], document["error"])
                yield document
                if isinstance(document, dict) and "truncated" in document:
                    return

    def _end_of(self, process: subprocess.Popen[bytes]) -> QueryError:
        """Why a helper ended without a last word: the kernel ended it, or memory did."""
        code = process.wait()
        if code == -signal.SIGXCPU:
            return QueryError("too_slow", f"it takes longer than {self._settings.query_seconds:g} s of CPU")
        return QueryError("too_large", "it needs more memory than a query is given: narrow it with WHERE")
