"""The journal of an attempt: a file that holds what its supervisor says, and that outlives whoever asked for the run.

The first line is the spec, written by whoever asks before a supervisor is started. Every line after it is an Event,
written by the supervisor, which holds an exclusive flock(2) on the file from before its first event until its last
process has ended: its children inherit the lock. Whoever gets the lock therefore knows that nothing of the attempt
lives, and whoever unlinks the file under the lock has withdrawn the attempt.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os

from workers.outcome import Event

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class JournalRefused(Exception):
    """This attempt is not for this process: withdrawn, taken by another supervisor, or over."""


class Journal:
    """An attempt taken up: `spec_line` is what to run, a call writes an event."""

    def __init__(self, path: str) -> None:
        """Take the attempt of `path` up. Raises JournalRefused, OSError."""
        try:
            self._fileno = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError:
            raise JournalRefused(f"the attempt was withdrawn: {path} is gone") from None
        try:
            fcntl.flock(self._fileno, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalRefused(f"another supervisor holds {path}") from None
        if not self._is_still_at(path):
            raise JournalRefused(f"the attempt was withdrawn: {path} is gone")
        head, end, rest = self._read().partition(b"\n")
        if not end or rest:
            raise JournalRefused(f"{path} holds {'events already' if rest else 'no spec'}")
        self.spec_line = head

    def _is_still_at(self, path: str) -> bool:
        try:
            there = os.stat(path)
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(self._fileno))

    def _read(self) -> bytes:
        return os.pread(self._fileno, os.fstat(self._fileno).st_size, 0)

    def __call__(self, event: Event) -> None:
        """Append `event`. A heartbeat or a sample is dropped where the disk is full; anything else raises OSError."""
        data = event.model_dump_json(exclude_none=event.event != "outcome").encode() + b"\n"
        before = os.fstat(self._fileno).st_size
        try:
            while data:
                data = data[os.write(self._fileno, data) :]
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fileno, before)  # a part of a line would spoil the next one
            if error.errno not in FULL or event.event not in ("heartbeat", "sample"):
                raise
