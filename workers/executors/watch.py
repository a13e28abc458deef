"""The supervisor's one place to wait: for its children, for commands, for the deadline, and for the next second.

Whatever a run waits for, it waits for here, so that a cancel or a deadline is seen in every phase of it.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from workers.outcome import Status

BEAT_NS = 1_000_000_000  # heartbeat and samples: once a second (a lease is 15 of them)


class Ended(Exception):
    """The attempt ends here, before its work is done, and this is how: an Outcome's status, reason and evidence."""

    def __init__(self, status: Status, reason_code: str, reason: str, evidence: dict[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.status: Status = status
        self.reason_code = reason_code
        self.reason = reason
        self.evidence: dict[str, Any] = evidence or {}
        self.warned: list[dict[str, Any]] = []  # laws that a step had told broken by then, as check_laws gives them


class Commands(Protocol):
    """Where a run hears from whoever asked for it."""

    def filenos(self) -> Sequence[int]:
        """Descriptors that become readable when there is something to hear."""
        ...

    def cancelled(self) -> str | None:
        """Take in what has come, without waiting. The reason why the run is cancelled, or None to go on."""
        ...


class Silence:
    """Commands of a run that nobody can cancel."""

    def filenos(self) -> Sequence[int]:
        return ()

    def cancelled(self) -> str | None:
        return None


def readable(filenos: Iterable[int], timeout_ns: int) -> set[int]:
    """Those of `filenos` that are readable within `timeout_ns`; all that are, as soon as one is.

    poll(2), because it takes a regular file as standard input too, which epoll refuses.
    """
    poll = select.poll()
    for fileno in filenos:
        poll.register(fileno, select.POLLIN)
    timeout_ms = max(0, -(-timeout_ns // 1_000_000))  # rounded up: waking early would spin through the last ms
    return {fileno for fileno, _ in poll.poll(timeout_ms)}


class Watch:
    """Waits, beating once a second, and raises Ended when the run is cancelled or its deadline has passed.

    `deadline_ns` is a CLOCK_MONOTONIC time, None for no deadline. `on_beat` is called once a second while waiting.
    """

    def __init__(
        self, commands: Commands, deadline_ns: int | None = None, on_beat: Callable[[], None] | None = None
    ) -> None:
        self.commands = commands
        self.deadline_ns = deadline_ns
        self.on_beat = on_beat
        self._next_beat_ns = time.monotonic_ns() + BEAT_NS

    def wait(self, filenos: Iterable[int], until_ns: int | None = None) -> set[int]:
        """Those of `filenos` that are readable; empty once `until_ns` (CLOCK_MONOTONIC) has come without any.

        Looks at least once, even when `until_ns` is over: a supervisor that was stopped itself must not take its own
        sleep for its workers'.
        """
        wanted = list(filenos)
        while True:
            self.check()
            now_ns = time.monotonic_ns()
            self._beat(now_ns)
            limits = [self._next_beat_ns, self.deadline_ns, until_ns]
            wake_ns = min(limit for limit in limits if limit is not None)
            heard = self.commands.filenos()
            ready = readable([*wanted, *heard], wake_ns - now_ns).difference(heard)
            if ready or (until_ns is not None and time.monotonic_ns() >= until_ns):
                self.check()
                return ready

    def check(self) -> None:
        """Raise Ended if the run is cancelled or its deadline has passed."""
        why = self.commands.cancelled()
        if why is not None:
            raise Ended("cancelled", "cancelled", why)
        if self.deadline_ns is not None and time.monotonic_ns() >= self.deadline_ns:
            raise Ended("timed_out", "deadline", "the deadline has passed before the run was through")

    def _beat(self, now_ns: int) -> None:
        if now_ns < self._next_beat_ns:
            return
        # Counted from now: a supervisor that was stopped for a while owes one beat, not one for each second.
        self._next_beat_ns = now_ns + BEAT_NS
        if self.on_beat is not None:
            self.on_beat()
