"""The supervisor of one run: a process of its own, JSON in and JSON out, that owns the run's segment and processes.

It leads its own session and says an Outcome as its last line: on standard output to whoever asked, with whom its run
ends, or in a journal (workers.journal), from which another may go on reading when whoever asked is gone.
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
from collections.abc import Callable, Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from workers.executors.child import die_with_parent, signal_name
from workers.executors.core import Core
from workers.executors.watch import readable
from workers.exploration import ExplorationEvent
from workers.journal import Journal, JournalRefused
from workers.outcome import Event, Outcome
from workers.run import Explore, execute
from workers.spec import RunSpec

MAX_LINE_BYTES = 1 << 20  # of a spec; the API takes no larger body
OK, FAILED_TO_TELL, BAD_SPEC, REFUSED = 0, 1, 2, 3  # exit codes
_CANCELS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


Spec = TypeVar("Spec", bound=BaseModel)


class BadSpec(Exception):
    """The first line is no spec: which field is wrong, and what would be right."""


def parsed_as(model: type[Spec], line: bytes) -> Spec:
    """The spec in a line of JSON. Raises BadSpec."""
    try:
        return model.model_validate_json(line)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, each['loc'])) or 'the spec'}: {each['msg']}" for each in error.errors()]
        raise BadSpec("; ".join(wrong)) from error


class Asker:
    """Whoever asked for the run: standard input, the signals that cancel, and whether standard output is still read.

    Without a `fileno`, signals alone: the run has a journal, and goes on when whoever asked is gone.
    """

    def __init__(self, fileno: int | None = 0) -> None:
        self._fileno = fileno
        self._rest = b""
        self._gone: str | None = None
        self._signals, write_fileno = os.pipe()
        os.set_blocking(self._signals, False)
        os.set_blocking(write_fileno, False)
        signal.set_wakeup_fd(write_fileno, warn_on_full_buffer=False)
        for number in _CANCELS:
            signal.signal(number, lambda _number, _frame: None)  # the byte in the wakeup pipe says it all

    def spec(self, model: type[Spec]) -> Spec | None:
        """What is asked: the first line. None if a signal or the end of input came first. Raises BadSpec."""
        while b"\n" not in self._rest:
            if len(self._rest) > MAX_LINE_BYTES:
                raise BadSpec(
                    f"the first line has more than {MAX_LINE_BYTES} bytes: it holds a {model.__name__} as JSON"
                )
            readable(self.filenos(), 3_600_000_000_000)
            self._read()
            if self._gone is not None:
                break
        line, _, self._rest = self._rest.partition(b"\n")
        if self._gone is not None and not line:
            return None
        return parsed_as(model, line)

    def filenos(self) -> Sequence[int]:
        return (self._signals,) if self._fileno is None else (self._fileno, self._signals)

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
        if self._fileno is not None and self._fileno in ready:
            data = os.read(self._fileno, 1 << 16)
            self._rest += data
            if not data:
                self.gone("end of file on standard input: whoever asked is gone")
        if self._signals in ready:
            numbers = os.read(self._signals, 64)
            self.gone(f"cancelled by {signal_name(numbers[0])}")


class Teller:
    """Standard output, one event a line."""

    DROPPED = ("heartbeat", "sample", "progress")  # where the reader is slow

    def __init__(self, asker: Asker, fileno: int = 1) -> None:
        self._asker = asker
        self._fileno = fileno

    def __call__(self, event: Event | ExplorationEvent) -> None:
        """Print `event`. A heartbeat, a sample or progress is dropped when the reader is so far behind that it would
        block: the deadline of a run does not wait for its reader. A reader that is gone cancels the run.
        """
        if event.event in self.DROPPED and not self._takes():
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


def main(
    deadline_seconds: float | None = None,
    *,
    journal: str | None = None,
    outlives: bool = False,
    core: Core | None = None,
    explore: Explore | None = None,
) -> int:
    """Be the supervisor of one run, from its spec to its outcome. The exit code.

    Both go by standard input and output, or by the file `journal`; with one, the run may outlive whoever asked.
    `deadline_seconds` counts from now. `core` and `explore` as in workers.run.execute.
    """
    now_ns = time.monotonic_ns()
    deadline_ns = None if deadline_seconds is None else now_ns + int(deadline_seconds * 1e9)
    if journal is not None:
        return _by_journal(journal, outlives, deadline_ns, core, explore)
    asker = Asker()
    tell = Teller(asker)
    lead_own_session()
    die_with_whoever_asked()
    code, outcome = _run(lambda: asker.spec(RunSpec), asker, tell, deadline_ns, core, explore)
    told = Event(event="outcome", at_ns=time.monotonic_ns(), outcome=outcome)
    try:
        data = told.model_dump_json(exclude_none=False).encode() + b"\n"
        while data:
            data = data[os.write(1, data) :]
    except BrokenPipeError:
        return FAILED_TO_TELL
    return code


def _by_journal(path: str, outlives: bool, deadline_ns: int | None, core: Core | None, explore: Explore | None) -> int:
    asker = Asker(None)
    lead_own_session()
    if not outlives:
        die_with_whoever_asked()
    try:
        tell = Journal(path)
    except JournalRefused as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    code, outcome = _run(lambda: parsed_as(RunSpec, tell.spec_line), asker, tell, deadline_ns, core, explore)
    tell(Event(event="outcome", at_ns=time.monotonic_ns(), outcome=outcome))
    return code


def _run(
    read_spec: Callable[[], RunSpec | None],
    asker: Asker,
    tell: Callable[[Event], None],
    deadline_ns: int | None,
    core: Core | None,
    explore: Explore | None,
) -> tuple[int, Outcome]:
    """Exit code and outcome of the run whose spec `read_spec` brings."""
    try:
        spec = read_spec()
    except BadSpec as error:
        return BAD_SPEC, _nothing_ran("failed", "bad_spec", str(error))
    if spec is None:
        return OK, _nothing_ran("cancelled", "cancelled", asker.cancelled() or "cancelled")
    return OK, execute(spec, tell, asker, deadline_ns, core=core, explore=explore)


def lead_own_session() -> None:
    """Be out of reach of the signals that a terminal sends to whoever asked."""
    if os.getpid() != os.getsid(0):
        with contextlib.suppress(PermissionError):  # leads its process group: a shell has started it as a job
            os.setsid()


def die_with_whoever_asked() -> None:
    """Cancelled when the parent dies. SIGTERM, not SIGKILL: it is the supervisor that cleans up.

    The kernel counts the *thread* that started a process as its parent: whoever starts supervisors does so from a
    thread that outlives them.
    """
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
