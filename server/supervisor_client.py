"""One supervisor seen from outside: a fresh interpreter that writes events into a journal.

docs/architecture.md, "The process boundary", is the contract. The supervisor is never forked from this process: this
one may have threads, and the supervisor forks workers itself. It is no part of this process's life either: whoever
finds its journal may watch it on.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from server.journal import JournalError, JournalReader, log_path, make_journal, remove_journal
from server.processes import ProcessId, identify, kill_session
from workers.outcome import Event
from workers.spec import RunSpec

CHECKOUT = Path(__file__).resolve().parent.parent
LOG_TAIL_BYTES = 2_000
KEPT_LOG_BYTES = 64_000
LOOK_SECONDS = 0.02  # how often a journal is looked into; a look is one fstat(2)


class SupervisorError(RuntimeError):
    """The supervisor could not be started, or wrote what is no event."""


class Supervisor:
    """A `python -m workers` with a journal. Leaving its `with` block kills whatever is left of its session."""

    def __init__(self, journal: Path, identity: ProcessId, process: subprocess.Popen[bytes] | None = None) -> None:
        """A supervisor that runs already, ours when `process` is given."""
        self.journal = journal
        self.identity = identity
        self.at_end = False
        self._process = process
        self._events = JournalReader(journal)
        self._pidfd = _pidfd_of(identity)

    @classmethod
    def start(cls, spec: RunSpec, *, journal: Path, deadline_seconds: float, outlives: bool = True) -> Supervisor:
        """Start a supervisor with a new journal; unless it `outlives` this thread, it is cancelled with it.

        Raises SupervisorError.
        """
        try:
            make_journal(journal, spec)
        except JournalError as error:
            raise SupervisorError(str(error)) from error
        command = [sys.executable, "-m", "workers", "--deadline-seconds", f"{deadline_seconds:g}"]
        command += ["--journal", str(journal), *([] if outlives else ["--die-with-parent"])]
        try:
            with log_path(journal).open("wb") as log:
                process = subprocess.Popen(
                    command,
                    cwd=CHECKOUT,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    start_new_session=True,
                    env={**os.environ, "PYDANTIC_DISABLE_PLUGINS": "true"},  # to look for some takes 30 ms
                )
        except OSError as error:
            remove_journal(journal)
            raise SupervisorError(f"cannot start {' '.join(command)}: {error}") from error
        # A child that has died already is a zombie until it is waited for: its pid is still its own.
        return cls(journal, identify(process.pid) or ProcessId(process.pid, 0), process)

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    def cancel(self) -> None:
        """Ask the supervisor to end its run."""
        if self._pidfd is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGTERM)

    def read(self, timeout_seconds: float) -> list[Event]:
        """Events that have come, waiting for the first up to `timeout_seconds`. Sets `at_end` once no more can come.

        Raises SupervisorError for a line that is no event.
        """
        until = time.monotonic() + timeout_seconds
        while True:
            has_ended = self.wait(0)  # asked first, so that its last lines are still read
            try:
                events = self._events.read()
            except JournalError as error:
                raise SupervisorError(str(error)) from error
            if events:
                return events
            self.at_end = has_ended
            left = until - time.monotonic()
            if has_ended or left <= 0:
                return []
            self.wait(min(left, LOOK_SECONDS))

    def wait(self, timeout_seconds: float) -> bool:
        """True when the supervisor has ended by itself within the time."""
        if self._pidfd is None:
            return True
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(max(0.0, timeout_seconds * 1000)))

    def kill(self) -> None:
        """SIGKILL the supervisor and all of its session, and reap it. Harmless when it has ended."""
        if self._pidfd is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        kill_session(self.identity)
        if self._process is not None:
            self._process.wait()

    def last_words(self) -> str:
        """How the supervisor ended, and the end of its log: for a reason that a person reads."""
        code = None if self._process is None else self._process.poll()
        if code is None:
            how = "has ended" if self.wait(0) else "is running"
        else:
            how = f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        tail = log_tail(self.journal)
        return f"The supervisor {how}." + (f" Its log ends: {tail}" if tail else "")


def log_tail(journal: Path, most_bytes: int = LOG_TAIL_BYTES) -> str:
    """The end of what the supervisor of a journal wrote to standard error."""
    with suppress(OSError), log_path(journal).open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - most_bytes))
        return log.read().decode(errors="replace").strip()
    return ""


def tell_log(journal: Path) -> None:
    """Have the log of this process hold what the supervisor of a journal wrote to standard error."""
    for line in log_tail(journal, KEPT_LOG_BYTES).splitlines():
        logging.getLogger("swaprace.supervisor").info("%s", line)


def _pidfd_of(identity: ProcessId) -> int | None:
    """A descriptor of this very process; None when it has ended. A child of ours that has is a zombie: it counts."""
    try:
        pidfd = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return None
    now = identify(identity.pid)
    if now is not None and now != identity and identity.start_time != 0:
        os.close(pidfd)
        return None
    return pidfd
