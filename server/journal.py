"""The journal of an attempt, seen from the side of whoever asks: made, read on from, and withdrawn.

workers/journal.py tells what stands in it and what its lock means.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from workers.outcome import Event
from workers.spec import RunSpec, canonical

MAX_LINE_BYTES = 64_000_000  # an outcome with every histogram is far below; a runaway line is not read for ever
READ_BYTES = 1 << 20
SUFFIX = ".journal"


class JournalError(RuntimeError):
    """The journal cannot be made, or holds what is no event."""


def journal_path(directory: Path, token: str) -> Path:
    """Where the journal of the attempt `token` lies."""
    return directory / f"{token}{SUFFIX}"


def log_path(journal: Path) -> Path:
    """Where standard error of the supervisor goes."""
    return journal.with_suffix(".log")


def make_journal(path: Path, spec: RunSpec) -> None:
    """Make a journal with its spec, whole from the moment it is there. Raises JournalError."""
    unborn = path.with_suffix(".new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unborn.write_text(canonical(spec) + "\n", encoding="utf-8")
        unborn.rename(path)
    except OSError as error:
        raise JournalError(f"cannot write the journal {path}: {error}") from error


def remove_journal(path: Path) -> None:
    """Remove a journal and the log beside it."""
    for each in (path, log_path(path)):
        each.unlink(missing_ok=True)


@contextmanager
def unattended(path: Path) -> Iterator[bool]:
    """True when no process of the attempt lives; none begins it within the block then."""
    try:
        fileno = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    try:
        locked = False
        with suppress(BlockingIOError):
            fcntl.flock(fileno, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked = True
        yield locked
    finally:
        os.close(fileno)


class JournalReader:
    """Reads the events of a journal, each once, in order."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at: int | None = None  # the first byte that is not read as a whole line

    def read(self) -> list[Event]:
        """Events that have been added since; empty for a journal that is gone. Raises JournalError."""
        try:
            with self._path.open("rb", buffering=0) as file:
                lines = self._lines(file.fileno())
        except FileNotFoundError:
            return []
        return [self._parse(line) for line in lines if line.strip()]

    def _lines(self, fileno: int) -> list[bytes]:
        size = os.fstat(fileno).st_size
        start = self._at or 0
        if size <= start:
            return []
        data = b""
        while len(data) < size - start and (part := os.pread(fileno, READ_BYTES, start + len(data))):
            data += part
        *lines, rest = data.split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            raise JournalError(f"{self._path} holds a line of more than {MAX_LINE_BYTES} bytes")
        is_first = self._at is None
        if lines:
            self._at = start + len(data) - len(rest)
        return lines[1:] if is_first else lines  # the spec

    def _parse(self, line: bytes) -> Event:
        try:
            return Event.model_validate_json(line)
        except ValidationError as error:
            raise JournalError(f"{self._path} holds {line[:200]!r}, which is no event: {error}") from error
