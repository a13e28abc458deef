"""A program of the core as a child: lines in, lines out, killed by the kernel when the thread that started it ends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from pydantic import ValidationError

from server.processes import ProcessId, identify, kill_session
from workers.exploration import ExplorationEvent, ExplorationSpec

CHECKOUT = Path(__file__).resolve().parents[2]
TIED = Path(__file__).resolve().with_name("tied.py")
EXPLORER = "workers.explorer"
READ_BYTES = 1 << 20
MAX_LINE_BYTES = 64_000_000  # an outcome with its timelines is far below; a runaway line is not read for ever
LOG_TAIL_BYTES = 2_000
CANCEL = b'{"command": "cancel"}\n'


class ExplorerError(RuntimeError):
    """The explorer could not be started, or wrote what is no event."""


def start_tied(module: str, *arguments: str, log: IO[bytes] | int) -> subprocess.Popen[bytes]:
    """`python -m MODULE ARGUMENTS` with pipes, in a session of its own. Raises ExplorerError."""
    command = [sys.executable, "-I", "-S", str(TIED), str(os.getpid()), sys.executable, "-m", module, *arguments]
    try:
        return subprocess.Popen(
            command,
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            bufsize=0,
            env={**os.environ, "PYDANTIC_DISABLE_PLUGINS": "true"},  # to look for some takes 30 ms
        )
    except OSError as error:
        raise ExplorerError(f"cannot start python -m {module}: {error}") from error


def tail_of(log: IO[bytes] | int) -> str:
    """The end of what a child wrote to standard error, a file or its descriptor."""
    fileno = log if isinstance(log, int) else log.fileno()
    start = max(0, os.fstat(fileno).st_size - LOG_TAIL_BYTES)
    return os.pread(fileno, LOG_TAIL_BYTES, start).decode(errors="replace").strip()


class Explorer:
    """A `python -m workers.explorer`. Leaving its `with` block kills whatever is left of its session.

    The thread that makes it is the one that it lives with.
    """

    def __init__(self, spec: ExplorationSpec, *, deadline_seconds: float) -> None:
        """Start it. Raises ExplorerError."""
        self.at_end = False
        self._log = os.memfd_create("explorer-log")
        self._rest = b""
        self._process = start_tied(EXPLORER, "--deadline-seconds", f"{deadline_seconds:g}", log=self._log)
        # A child that has died already is a zombie until it is waited for: its pid is still its own.
        self._identity = identify(self._process.pid) or ProcessId(self._process.pid, 0)
        self._say(spec.model_dump_json().encode() + b"\n")

    def __enter__(self) -> Explorer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        os.close(self._log)

    def cancel(self) -> None:
        """Ask it to end; its outcome comes all the same."""
        self._say(CANCEL)

    def read(self, timeout_seconds: float) -> Iterator[ExplorationEvent]:
        """Events that have come, waiting for the first up to `timeout_seconds`. Sets `at_end` once no more can come.

        Raises ExplorerError for a line that is no event, once those before it are out.
        """
        until = time.monotonic() + timeout_seconds
        assert self._process.stdout is not None
        poll = select.poll()
        poll.register(self._process.stdout, select.POLLIN)
        while not self.at_end and poll.poll(max(0.0, (until - time.monotonic()) * 1000)):
            data = os.read(self._process.stdout.fileno(), READ_BYTES)
            self.at_end = not data
            *lines, self._rest = (self._rest + data).split(b"\n")
            if len(self._rest) > MAX_LINE_BYTES:
                raise ExplorerError(f"the explorer wrote a line of more than {MAX_LINE_BYTES} bytes")
            said = [line for line in lines if line.strip()]
            yield from map(_event, said)
            if said:
                return

    def wait(self, timeout_seconds: float) -> bool:
        """True when it has ended by itself within the time."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_seconds)
        return self._process.poll() is not None

    def kill(self) -> None:
        """SIGKILL it and all of its session, and reap it. Harmless when it has ended."""
        if self._process.poll() is None:
            self._process.kill()
        kill_session(self._identity)
        self._process.wait()

    def last_words(self) -> str:
        """How it ended, and the end of its log: for a reason that a person reads."""
        self.wait(1.0)
        code = self._process.poll()
        how = "is running" if code is None else f"ended with exit code {code}"
        if code is not None and code < 0:
            how = f"ended by {signal.Signals(-code).name}"
        tail = tail_of(self._log)
        return f"The explorer {how} without an outcome." + (f" Its log ends: {tail}" if tail else "")

    def _say(self, line: bytes) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended: the end of its output says so
            self._process.stdin.write(line)


def _event(line: bytes) -> ExplorationEvent:
    try:
        return ExplorationEvent.model_validate_json(line)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, wrong["loc"]))
        raise ExplorerError(f"the explorer wrote what is no event: {where}: {wrong['msg']}: {line[:200]!r}") from error
