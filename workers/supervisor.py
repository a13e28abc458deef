"""The supervisor of one run: a process of its own, JSON in and JSON out, that owns the run's segment and processes.

It leads its own session, ends as cancelled when whoever asked is gone, and prints an Outcome as its last line.
docs/architecture.md holds the protocol, docs/operation.md what happens when things end early.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Sequence

from pydantic import ValidationError

from workers.executors.child import die_with_parent, signal_name
from workers.executors.core import Core
from workers.executors.watch import readable
from workers.outcome import Event, Outcome
from workers.run import Explore, execute
from workers.spec import RunSpec

MAX_LINE_BYTES = 1 << 20  # of a spec; the API takes no larger body
OK, FAILED_TO_TELL, BAD_SPEC = 0, 1, 2  # exit codes
_CANCELS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class BadSpec(Exception):
    """The first line of standard input is no RunSpec: which field is wrong, and what would be right."""


class Asker:
    """Whoever asked for the run: standard input, the signals that cancel, and whether standard output is still read."""

    def __init__(self, fileno: int = 0) -> None:
        self._fileno = fileno
        self._rest = b""
        self._gone: str | None = None
        self._signals, write_fileno = os.pipe()
        os.set_blocking(self._signals, False)
        os.set_blocking(write_fileno, False)
        signal.set_wakeup_fd(write_fileno, warn_on_full_buffer=False)
        for number in _CANCELS:
            signal.signal(number, lambda _number, _frame: None)  # the byte in the wakeup pipe says it all

    def spec(self) -> RunSpec | None:
        """The spec of the run: the first line. None if a signal or the end of input came first. Raises BadSpec."""
        while b"\n" not in self._rest:
            if len(self._rest) > MAX_LINE_BYTES:
                raise BadSpec(f"the first line has more than {MAX_LINE_BYTES} bytes: it holds a RunSpec as JSON")
            readable(self.filenos(), 3_600_000_000_000)
            self._read()
            if self._gone is not None:
                break
        line, _, self._rest = self._rest.partition(b"\n")
        if self._gone is not None and not line:
            return None
        try:
            return RunSpec.model_validate_json(line)
        except ValidationError as error:
            wrong = [f"{'.'.join(map(str, each['loc'])) or 'the spec'}: {each['msg']}" for each in error.errors()]
            raise BadSpec("; ".join(wrong)) from error

    def filenos(self) -> Sequence[int]:
        return (self._fileno, self._signals)

    def cancelled(self) -> str | None:
        """Why the run is cancelled: a command, a signal, or that nobody is there any more. None to go on."""
        if self._gone is None:
            self._read()
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            try:
                command = json.loads(line)
            except ValueError:
                command = None
            if command == {"command": "cancel"}:
                self._gone = self._gone or "cancelled by command"
            elif line.strip():
                sys.stderr.write(f'not a command: {line[:200]!r}; there is one: {{"command": "cancel"}}\n')
        return self._gone

    def gone(self, why: str) -> None:
        """Note that nobody reads what is said."""
        self._gone = self._gone or why

    def _read(self) -> None:
        """Take in what is there, without waiting."""
        ready = readable(self.filenos(), 0)
        if self._fileno in ready:
            data = os.read(self._fileno, 1 << 16)
            self._rest += data
            if not data:
                self.gone("end of file on standard input: whoever asked is gone")
        if self._signals in ready:
            numbers = os.read(self._signals, 64)
            self.gone(f"cancelled by {signal_name(numbers[0])}")


class Teller:
    """Standard output, one event a line."""

    def __init__(self, asker: Asker, fileno: int = 1) -> None:
        self._asker = asker
        self._fileno = fileno

    def __call__(self, event: Event) -> None:
        """Print `event`. A heartbeat or a sample is dropped when the reader is so far behind that it would block: the
        deadline of a run does not wait for its reader. A reader that is gone cancels the run.
        """
        if event.event in ("heartbeat", "sample") and not self._takes():
            return
        data = event.model_dump_json(exclude_none=True).encode() + b"\n"
        try:
            while data:
                data = data[os.write(self._fileno, data) :]
        except BrokenPipeError:
            self._asker.gone("nobody reads standard output: whoever asked is gone")

    def _takes(self) -> bool:
        poll = select.poll()
        poll.register(self._fileno, select.POLLOUT)
        return bool(poll.poll(0))


def main(deadline_seconds: float | None = None, *, core: Core | None = None, explore: Explore | None = None) -> int:
    """Be the supervisor of one run, from the spec on standard input to the outcome on standard output. The exit code.

    `deadline_seconds` counts from now. `core` and `explore` as in workers.run.execute.
    """
    now_ns = time.monotonic_ns()
    deadline_ns = None if deadline_seconds is None else now_ns + int(deadline_seconds * 1e9)
    asker = Asker()
    tell = Teller(asker)
    _lead_own_session()
    code = OK
    try:
        spec = asker.spec()
    except BadSpec as error:
        outcome = _nothing_ran("failed", "bad_spec", str(error))
        code = BAD_SPEC
    else:
        if spec is None:
            outcome = _nothing_ran("cancelled", "cancelled", asker.cancelled() or "cancelled")
        else:
            outcome = execute(spec, tell, asker, deadline_ns, core=core, explore=explore)
    told = Event(event="outcome", at_ns=time.monotonic_ns(), outcome=outcome)
    try:
        data = told.model_dump_json(exclude_none=False).encode() + b"\n"
        while data:
            data = data[os.write(1, data) :]
    except BrokenPipeError:
        return FAILED_TO_TELL
    return code


def _lead_own_session() -> None:
    """Own session, and cancelled when the parent dies. SIGTERM, not SIGKILL: it is the supervisor that cleans up.

    The kernel counts the *thread* that started a process as its parent: whoever starts supervisors does so from a
    thread that outlives them.
    """
    if os.getpid() != os.getsid(0):
        with contextlib.suppress(PermissionError):  # leads its process group: a shell has started it as a job
            os.setsid()
    die_with_parent(signal.SIGTERM, os.getppid())


def _nothing_ran(status: str, code: str, reason: str) -> Outcome:
    return Outcome.model_validate(
        {
            "status": status,
            "reason_code": code,
            "reason": reason,
            "elapsed_ns": 0,
            "metrics": {},
            "waits": {},
            "events": {},
            "histograms": {},
            "violations": [],
            "laws_checked": [],
            "environment": {},
        }
    )
