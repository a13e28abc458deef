"""Records the page references of a real program: `swaprace record -- COMMAND`.

valgrind's lackey tool prints every access of every process that the command runs. Each process connects to a socket of
ours (`--log-socket`), so that their streams stay apart; each stream is read as it comes, passed through a window of
recently touched pages, and thrown away. One process is kept: the one with the most references, or the one named.
A child that forks and does not execute another program is not seen: valgrind keeps it silent.

The window is an LRU list of pages, as a TLB of so many entries keeps. A reference to a page in it is dropped, unless it
is the first store since the page came in. This is stack deletion (A. J. Smith, Two Methods for the Efficient Analysis
of Memory Address Trace Data, IEEE TSE 3(1), 1977): near exact for LRU memories well above the window. What it hides is
what a kernel cannot see either: a page that never leaves the TLB sets no accessed bit again.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from workers.workloads.lackey import LackeyParser
from workers.workloads.trace_file import MAX_REFERENCES, Trace, TracedProcess, write_trace

BLOCK_BYTES = 1 << 20
# valgrind sends every line by itself. A reader that wakes for each slows it down by a third; this one sleeps until so
# many bytes have come, in a buffer that holds several times as many.
WAKE_AT_BYTES = 1 << 16
BUFFER_BYTES = 1 << 22
PROGRESS_EVERY_S = 0.5
DEFAULT_WINDOW_PAGES = 64
COMMAND_MARK = " Command: "


class RecorderError(RuntimeError):
    """A recording that did not come about: what failed, and what would help."""


@dataclass(frozen=True)
class RecordSummary:
    """What was recorded. references_seen counts accesses before the window; truncated: max_references was reached."""

    path: Path
    command: str
    pages: int
    references: int
    stores: int
    references_seen: int
    processes: tuple[TracedProcess, ...]
    file_bytes: int
    truncated: bool
    elapsed_s: float


class Stream:
    """One traced process: its connection and its parser."""

    def __init__(self, connection: socket.socket, parser: LackeyParser) -> None:
        self.connection = connection
        self.parser = parser

    @property
    def command(self) -> str:
        """The program and its arguments as lackey prints them; empty when it has not said so."""
        for message in self.parser.messages:
            if COMMAND_MARK in message:
                return message.split(COMMAND_MARK, 1)[1]
        return ""

    def traced(self, kept: bool) -> TracedProcess:
        """What the file tells of this process."""
        return TracedProcess(self.command, self.parser.references_seen, self.parser.pages, kept)


def record(
    command: list[str],
    out: Path,
    *,
    max_references: int | None = None,
    name: str | None = None,
    process: str | None = None,
    window_pages: int = DEFAULT_WINDOW_PAGES,
    instructions: bool = False,
    progress: Callable[[int], None] | None = None,
) -> RecordSummary:
    """Runs `command` under valgrind and writes the page references of one of its processes to `out`.

    max_references: the command is ended once a process has so many kept references (default: as many as the format
    allows). process: keeps the largest process whose command line contains this text. window_pages: see the module.
    instructions: instruction fetches count as loads (off: code is backed by files and is never swapped). progress is
    called about twice a second with the accesses seen. The command's own standard streams are the caller's.

    Errors: RecorderError when valgrind or the command is missing, the command fails (its exit code is told), or
    nothing was recorded. Nothing is left at `out` then; a file that was there stays.
    """
    limit = MAX_REFERENCES if max_references is None else max_references
    if not 1 <= limit <= MAX_REFERENCES:
        raise RecorderError(f"max_references is {limit}; it must lie between 1 and {MAX_REFERENCES}")
    valgrind = find_programs(command)
    if not out.parent.is_dir():
        raise RecorderError(f"{out}: its folder does not exist")
    started = time.monotonic()
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        guard = start_guard()
        child = start(valgrind, command, server.getsockname()[1], guard.pid)
        session = Session(server, child, guard, limit, lambda: LackeyParser(window_pages, limit, instructions))
        try:
            session.run(progress)
        finally:
            session.close()
    if child.returncode != 0 and not session.truncated:
        raise RecorderError(f"{command[0]}: {describe_exit(child.returncode)} under valgrind; nothing was written")
    best = choose(session.streams, process)
    trace = Trace(
        name=name or out.stem,
        command=best.command,
        pages=best.parser.pages,
        references=best.parser.references(),
        window_pages=window_pages,
        instructions=instructions,
        processes=tuple(stream.traced(stream is best) for stream in session.streams),
    )
    file_bytes = write_trace(out, trace)
    return summarize(out, trace, best.parser, file_bytes, session.truncated, time.monotonic() - started)


def summarize(
    out: Path, trace: Trace, parser: LackeyParser, file_bytes: int, truncated: bool, elapsed_s: float
) -> RecordSummary:
    return RecordSummary(
        path=out,
        command=trace.command,
        pages=trace.pages,
        references=len(trace.references),
        stores=parser.stores_kept,
        references_seen=parser.references_seen,
        processes=trace.processes,
        file_bytes=file_bytes,
        truncated=truncated,
        elapsed_s=elapsed_s,
    )


class Session:
    """Reads the streams of a running command until it has ended and all of them are read out."""

    def __init__(
        self,
        server: socket.socket,
        child: subprocess.Popen[bytes],
        guard: subprocess.Popen[bytes],
        limit: int,
        new_parser: Callable[[], LackeyParser],
    ) -> None:
        self.server = server
        self.child = child
        self.guard = guard
        self.limit = limit
        self.new_parser = new_parser
        self.streams: list[Stream] = []
        self.truncated = False
        self.open = 0
        self.pidfd = os.pidfd_open(child.pid)
        self.selector = selectors.DefaultSelector()
        server.setblocking(False)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self.selector.register(server, selectors.EVENT_READ)
        self.selector.register(self.pidfd, selectors.EVENT_READ)

    def run(self, progress: Callable[[int], None] | None) -> None:
        """Returns when the command has ended, every connection is closed and none waits to be accepted."""
        told = time.monotonic()
        ended = False
        while True:
            ready = self.selector.select(timeout=0 if ended and not self.open else PROGRESS_EVERY_S)
            if not ready and ended and not self.open:
                break
            for key, _ in ready:
                if key.fileobj is self.server:
                    self.accept()
                elif key.fileobj == self.pidfd:
                    ended = True
                    self.selector.unregister(self.pidfd)
                    self.end()
                else:
                    self.read(key.data)
            if progress and time.monotonic() - told >= PROGRESS_EVERY_S:
                told = time.monotonic()
                progress(sum(stream.parser.references_seen for stream in self.streams))

    def accept(self) -> None:
        connection, _ = self.server.accept()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, WAKE_AT_BYTES)
        stream = Stream(connection, self.new_parser())
        self.streams.append(stream)
        self.open += 1
        self.selector.register(connection, selectors.EVENT_READ, stream)

    def read(self, stream: Stream) -> None:
        try:
            block = stream.connection.recv(BLOCK_BYTES)
        except ConnectionResetError:  # the process was killed with text on its way
            block = b""
        if not block:
            self.selector.unregister(stream.connection)
            stream.connection.close()
            self.open -= 1
            return
        try:
            stream.parser.feed(block)
        except ValueError as error:
            raise RecorderError(f"{stream.command or 'a process'}: {error}") from None
        if stream.parser.full and not self.truncated:
            self.truncated = True
            self.end()

    def end(self) -> None:
        """Ends the command and whatever it left running: all that it started shares the guard's process group."""
        if self.guard.poll() is None:
            os.killpg(self.guard.pid, signal.SIGKILL)

    def close(self) -> None:
        self.end()
        self.child.wait()
        self.guard.wait()
        if self.guard.stdin is not None:
            self.guard.stdin.close()
        for stream in self.streams:
            stream.connection.close()
        self.selector.close()
        os.close(self.pidfd)


def find_programs(command: list[str]) -> str:
    """The path of valgrind. Error: RecorderError when it, or the command's program, cannot be run."""
    if not command:
        raise RecorderError("no command to record; write it after `--`, as in: swaprace record -o ls.swpt -- ls /usr")
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise RecorderError("valgrind is not installed; install it: apt-get install valgrind")
    if shutil.which(command[0]) is None:
        raise RecorderError(f"{command[0]}: no such program, or it is not executable")
    return valgrind


def start_guard() -> subprocess.Popen[bytes]:
    """A process that leads the group of all that is recorded, and kills the group when this process is gone.

    It waits for the end of a pipe whose other end is held here alone, so that even SIGKILL leaves nothing running.
    """
    return subprocess.Popen(["/bin/sh", "-c", "read _; kill -KILL 0"], stdin=subprocess.PIPE, process_group=0)


def start(valgrind: str, command: list[str], port: int, group: int) -> subprocess.Popen[bytes]:
    """Starts the command under lackey in process group `group`."""
    options = ["--tool=lackey", "--trace-mem=yes", "--trace-children=yes", "--child-silent-after-fork=yes"]
    return subprocess.Popen([valgrind, *options, f"--log-socket=127.0.0.1:{port}", "--", *command], process_group=group)


def choose(streams: list[Stream], process: str | None) -> Stream:
    """The stream to keep: the one with the most references among those whose command contains `process`."""
    traced = [stream for stream in streams if len(stream.parser)]
    matching = [stream for stream in traced if process is None or process in stream.command]
    if not matching and traced:
        commands = "; ".join(stream.command for stream in traced)
        raise RecorderError(f"no process named {process!r} was traced; these were: {commands}")
    if not matching:
        raise RecorderError("the command made no memory reference that valgrind saw")
    return max(matching, key=lambda stream: stream.parser.references_seen)


def describe_exit(code: int) -> str:
    """An exit code of subprocess in words."""
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"failed with exit code {code}"
