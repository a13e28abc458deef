"""Child processes of the supervisor: forked, tied to its life, watched through pidfds, and never left behind.

The core runs in children only. A crash or a hang of it ends a child, and the supervisor lives to tell.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from workers.executors.watch import Ended, Watch, readable

PR_SET_PDEATHSIG = 1  # prctl(2)
CHILD_RAISED = 70  # exit code of a child whose Python raised: EX_SOFTWARE of sysexits.h
REAP_NS = 10_000_000_000  # a SIGKILLed process first gives back its mapping: 0.4 s a GiB on a loaded machine
_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def die_with_parent(number: int, parent: int) -> None:
    """Have the kernel send signal `number` to this process when the thread that started it ends (prctl(2)).

    `parent` is the pid of the parent as known beforehand: if it has died meanwhile, no signal comes, and this process
    exits instead.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl(PR_SET_PDEATHSIG): {os.strerror(error)}")
    if os.getppid() != parent:
        os._exit(CHILD_RAISED)


class Child:
    """A forked process. `cpu_ns` is its time on a CPU, user and system, once it has been reaped."""

    def __init__(self, pid: int, pidfd: int) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.exit: int | None = None
        self.cpu_ns = 0

    @classmethod
    def fork(cls, body: Callable[[], int]) -> Child:
        """Fork a child that runs `body` and exits with what it returns. The supervisor has one thread: fork is safe.

        The child dies of SIGKILL when the supervisor ends, takes no signal for the supervisor, and holds neither its
        standard input nor its standard output; standard error, the log, is shared.
        """
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        # Blocked over the fork: until it has its own, a child would answer a signal with the supervisor's handlers.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        try:
            pid = os.fork()
            if pid == 0:
                _run_child(body, parent, before)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return cls(pid, os.pidfd_open(pid))

    def reap(self) -> bool:
        """Take the exit of the child if it has ended; True when it has, now or before."""
        if self.exit is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid == 0:
                return False
            self.exit = os.waitstatus_to_exitcode(status)
            self.cpu_ns = _cpu_ns(usage)
            os.close(self.pidfd)
        return True

    def kill(self) -> None:
        """SIGKILL, unless it is reaped: until then its pid is its own."""
        if self.exit is None:
            os.kill(self.pid, signal.SIGKILL)

    def how(self) -> str:
        """How it ended, in words: 'died of SIGSEGV', 'exited with code 3', 'is alive'."""
        if self.exit is None:
            return "is alive"
        return f"exited with code {self.exit}" if self.exit >= 0 else f"died of {signal_name(-self.exit)}"


def signal_name(number: int) -> str:
    """SIGKILL for 9, and so on; real-time signals, which have no names of their own, as 'signal 40'."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def kill_all(children: Iterable[Child]) -> list[int]:
    """SIGKILL and reap all that live. Pids of those that do not go within REAP_NS (in the kernel, uninterruptible)."""
    children = [child for child in children if not child.reap()]
    for child in children:
        child.kill()
    until_ns = time.monotonic_ns() + REAP_NS
    while children and (left_ns := until_ns - time.monotonic_ns()) > 0:
        readable([child.pidfd for child in children], left_ns)
        children = [child for child in children if not child.reap()]
    return [child.pid for child in children]


def write_line(fileno: int, message: dict[str, Any]) -> None:
    """Write `message` as one line of JSON. Up to 4096 bytes (PIPE_BUF) it arrives whole, whoever else writes."""
    data = json.dumps(message, separators=(",", ":")).encode() + b"\n"
    while data:
        data = data[os.write(fileno, data) :]


class Lines:
    """The reading end of a pipe of JSON lines. Reads what is there, never waits."""

    def __init__(self) -> None:
        self.fileno, self.write_fileno = os.pipe()
        os.set_blocking(self.fileno, False)
        self._rest = b""

    def take(self) -> list[dict[str, Any]]:
        """Messages that have come whole since the last time, in order."""
        chunks = [self._rest]
        try:
            while chunk := os.read(self.fileno, 1 << 16):
                chunks.append(chunk)
        except BlockingIOError:
            pass  # everything that is there has been read
        *lines, self._rest = b"".join(chunks).split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        """Close both ends."""
        os.close(self.fileno)
        os.close(self.write_fileno)


class Raised(Exception):
    """A Python exception in a child, as the supervisor sees it: the name of its class and its message."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def call_aside(
    watch: Watch,
    function: Callable[[Callable[[Any], None]], Any],
    *,
    what: str,
    on_progress: Callable[[Any], None] | None = None,
    on_end: Callable[[], None] | None = None,
    grace_ns: int = 0,
) -> Any:
    """Run `function(report)` in a child and return its result, which is JSON, as are the values it reports on its way.

    `what` names the call in messages. When the watch ends the attempt, the child is asked to finish through `on_end`,
    given `grace_ns` for a partial result, which is added to the evidence, and killed. Raises Ended (lost, core_crashed)
    if the child dies, Raised if it raises.
    """
    lines = Lines()

    def body() -> int:
        try:
            value = function(lambda progress: write_line(lines.write_fileno, {"progress": progress}))
        except Exception as error:
            traceback.print_exc()
            write_line(lines.write_fileno, {"raised": type(error).__name__, "message": str(error)})
            return CHILD_RAISED
        write_line(lines.write_fileno, {"result": value})
        return 0

    child = Child.fork(body)
    try:
        return _result(watch, child, lines, what, on_progress)
    except Ended as end:
        if on_end is not None and child.exit is None:
            on_end()
            end.evidence["partial"] = _partial(child, lines, time.monotonic_ns() + grace_ns)
        raise
    finally:
        kill_all([child])
        lines.close()


def _result(watch: Watch, child: Child, lines: Lines, what: str, on_progress: Callable[[Any], None] | None) -> Any:
    while True:
        watch.wait([lines.fileno, child.pidfd])
        gone = child.reap()  # before the last reading: what it wrote, it wrote before it went
        for message in lines.take():
            if "result" in message:
                return message["result"]
            if "raised" in message:
                raise Raised(message["raised"], message["message"])
            if on_progress is not None:
                on_progress(message["progress"])
        if gone:
            raise Ended("lost", "core_crashed", f"the process that did {what} {child.how()}")


def _partial(child: Child, lines: Lines, until_ns: int) -> Any:
    while True:
        left_ns = until_ns - time.monotonic_ns()
        readable([lines.fileno, child.pidfd], left_ns)
        gone = child.reap()
        for message in lines.take():
            if "result" in message:
                return message["result"]
        if gone or left_ns <= 0:
            return None


def _run_child(body: Callable[[], int], parent: int, mask: Iterable[int]) -> NoReturn:
    """The life of a child after fork. Never returns: the supervisor's stack, above, is not the child's to unwind."""
    code = CHILD_RAISED
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole terminal; the supervisor decides
        die_with_parent(signal.SIGKILL, parent)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        faulthandler.enable(2)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        code = body()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _cpu_ns(usage: resource.struct_rusage) -> int:
    return int((usage.ru_utime + usage.ru_stime) * 1e9)
