"""One supervisor seen from outside: a fresh interpreter, JSON lines in both directions.

docs/architecture.md, "The process boundary", is the contract. The supervisor is never forked from this process: this
one may have threads, and the supervisor forks workers itself.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO

from pydantic import ValidationError

from server.processes import ProcessId, identify, kill_session
from workers.outcome import Event
from workers.spec import RunSpec, canonical

CHECKOUT = Path(__file__).resolve().parent.parent
MAX_LINE_BYTES = 64_000_000  # an outcome with every histogram is far below; a runaway line is not read for ever
LOG_TAIL_BYTES = 2_000


class SupervisorError(RuntimeError):
    """The supervisor could not be started, or wrote what is no event."""


class Supervisor:
    """A running `python -m workers`. Leaving its `with` block kills whatever is left of its session."""

    def __init__(self, spec: RunSpec, *, deadline_seconds: float) -> None:
        command = [sys.executable, "-m", "workers", "--deadline-seconds", f"{deadline_seconds:g}"]
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        try:
            self._process = subprocess.Popen(
                command,
                cwd=CHECKOUT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            self._log.close()
            raise SupervisorError(f"cannot start {' '.join(command)}: {error}") from error
        # A child that has died already is a zombie until it is waited for: its pid is still its own.
        self.identity = identify(self._process.pid) or ProcessId(self._process.pid, 0)
        self._unread = b""
        self.at_end = False
        self._write(canonical(spec))

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout, self._log):
            assert pipe is not None
            pipe.close()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        view = memoryview(line.encode() + b"\n")
        try:
            while view:  # an unbuffered pipe may take a part only
                view = view[self._process.stdin.write(view) or 0 :]
        except BrokenPipeError:
            return  # it has ended; the end of its output says the rest

    def cancel(self) -> None:
        """Ask the supervisor to end its run."""
        self._write(json.dumps({"command": "cancel"}))

    def read(self, timeout_seconds: float) -> list[Event]:
        """Events that have come, waiting for the first up to `timeout_seconds`. Sets `at_end` once no more can come.

        The end of the pipe is not waited for: a worker that outlives its supervisor may hold it open.
        Raises SupervisorError for a line that is no event.
        """
        assert self._process.stdout is not None
        stdout = self._process.stdout.fileno()
        has_ended = self._process.poll() is not None  # asked first, so that its last lines are still read
        if self.at_end or not select.select([stdout], [], [], 0 if has_ended else timeout_seconds)[0]:
            self.at_end = self.at_end or has_ended
            return []
        read = os.read(stdout, 1 << 20)
        self.at_end = not read
        *lines, self._unread = (self._unread + read).split(b"\n")
        if len(self._unread) > MAX_LINE_BYTES:
            raise SupervisorError(f"the supervisor wrote a line of more than {MAX_LINE_BYTES} bytes")
        return [self._parse(line) for line in lines if line.strip()]

    @staticmethod
    def _parse(line: bytes) -> Event:
        try:
            return Event.model_validate_json(line)
        except ValidationError as error:
            raise SupervisorError(f"the supervisor wrote {line[:200]!r}, which is no event: {error}") from error

    def wait(self, timeout_seconds: float) -> bool:
        """True when the supervisor has ended by itself within the time."""
        try:
            self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """SIGKILL the supervisor and all of its session, and reap it. Harmless when it has ended."""
        if self._process.poll() is None:
            self._process.kill()
        kill_session(self.identity)
        self._process.wait()

    def last_words(self) -> str:
        """How the supervisor ended, and the end of its log: for a reason that a person reads."""
        code = self._process.poll()
        how = (
            "is running" if code is None else f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        )
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - LOG_TAIL_BYTES))
        tail = self._log.read().decode(errors="replace").strip()
        return f"The supervisor {how}." + (f" Its log ends: {tail}" if tail else "")
