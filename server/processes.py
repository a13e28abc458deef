"""Processes by their identity: a pid alone may be used again, a pid with its start time may not.

Source: proc(5), fields 6 (session) and 22 (starttime, in clock ticks since boot) of /proc/PID/stat.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from shm.segment import start_time

KILL_SECONDS = 5.0  # by then the kernel has torn down any address space that a run may have
LOOK_AGAIN_SECONDS = 0.01


@dataclass(frozen=True)
class ProcessId:
    """A process: pid and start time in clock ticks since boot."""

    pid: int
    start_time: int


def identify(pid: int) -> ProcessId | None:
    """The identity of a living process; None when it is gone or a zombie."""
    start = start_time(pid)
    return None if start is None else ProcessId(pid, start)


def is_alive(process: ProcessId) -> bool:
    """True while this very process lives; false for another one with the same pid."""
    return identify(process.pid) == process


def myself() -> ProcessId:
    """The identity of the calling process."""
    process = identify(os.getpid())
    assert process is not None
    return process


def _session(pid: int) -> int | None:
    """Session of a living process; the fields are counted from the last parenthesis, as the name may hold some."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[3])


def session_members(session: int) -> list[int]:
    """Pids of the living processes of a session, however deep in its tree."""
    pids = (int(entry) for entry in os.listdir("/proc") if entry.isdigit())
    return [pid for pid in pids if _session(pid) == session]


def kill_session(leader: ProcessId) -> None:
    """SIGKILL all that is left of the session of `leader`, until nothing is.

    The kernel gives the number of a session that has members to nobody else. A living process with the pid of the
    leader and another start time therefore means that the session is empty: its members are not ours.
    """
    living = identify(leader.pid)
    if living is not None and living != leader:
        return
    until = time.monotonic() + KILL_SECONDS
    while time.monotonic() < until:
        members = session_members(leader.pid)
        if not members:
            return
        for pid in members:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(LOOK_AGAIN_SECONDS)  # a member being forked shows up in the next look only
