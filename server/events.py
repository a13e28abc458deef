"""The life of a run as a stream of events, read from the table: the same for every client and every server of it.

An event's id holds all that a client has seen: one that comes back with it misses nothing and sees nothing twice.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from server.states import TERMINAL
from server.store import Store
from server.store.results import Life

EVENT_ID = re.compile(r"(\d{1,9})\.(\d)\.(\d{1,19})")
END = 5
RANKS: dict[str, int] = {"queued": 1, "starting": 2, "running": 3, "cancelling": 4, **dict.fromkeys(TERMINAL, END)}
SAMPLES_AT_ONCE = 500


@dataclass(frozen=True)
class Seen:
    """What a client has seen: of which attempt, up to which state, and up to which sample (CLOCK_MONOTONIC in ns)."""

    attempt: int = 0
    rank: int = 0
    at_ns: int = 0

    def __str__(self) -> str:
        return f"{self.attempt}.{self.rank}.{self.at_ns}"

    @property
    def is_end(self) -> bool:
        """True when nothing comes after it."""
        return self.rank == END


@dataclass(frozen=True)
class Told:
    """One event. `seen` is what a client has seen once it has it."""

    seen: Seen
    kind: str
    data: dict[str, Any]


def seen_by(event_id: str | None) -> Seen:
    """What the client that sends this Last-Event-ID has seen. Raises ValueError for an id that is none of ours."""
    if event_id is None:
        return Seen()
    match = EVENT_ID.fullmatch(event_id)
    if match is None or int(match[2]) > END or int(match[3]) >= 1 << 63:
        raise ValueError("send the id of the last event, as it came, or none")
    return Seen(*map(int, match.groups()))


def events_after(store: Store, run_id: int, seen: Seen) -> list[Told]:
    """What has happened to a run since. Raises NotFoundError."""
    life = store.life_of(run_id, after_ns=seen.at_ns, samples_of=seen.attempt, limit=SAMPLES_AT_ONCE)
    if life.attempts > seen.attempt:
        seen = Seen(life.attempts, min(seen.rank, RANKS["queued"]), 0)
    elif life.state == "queued" and seen.rank > RANKS["queued"]:
        seen = Seen(seen.attempt, 0, seen.at_ns)  # whoever had claimed it died before it began
    told: list[Told] = []
    for state, at in _steps(life):
        rank = RANKS[state]
        if rank <= seen.rank or (rank == END and len(life.samples) == SAMPLES_AT_ONCE):
            continue
        if rank > RANKS["running"]:
            seen = _tell_samples(life, seen, told)
        seen = Seen(seen.attempt, rank, seen.at_ns)
        told.append(Told(seen, "state", _state(life, state, at)))
    _tell_samples(life, seen, told)
    return told


def _steps(life: Life) -> list[tuple[str, str | None]]:
    """The states that a run has gone through, with the moment of each; when it was to be cancelled is not kept."""
    steps: list[tuple[str, str | None]] = [
        ("queued", life.created_at),
        ("starting", life.claimed_at),
        ("running", life.running_at),
    ]
    gone = [step for step in steps if step[1] is not None]
    return gone if life.state in ("queued", "starting", "running") else [*gone, (life.state, life.finished_at)]


def _tell_samples(life: Life, seen: Seen, told: list[Told]) -> Seen:
    for sample in life.samples:
        if sample.at_ns > seen.at_ns:
            seen = Seen(seen.attempt, seen.rank, sample.at_ns)
            told.append(Told(seen, "sample", sample.model_dump(mode="json")))
    return seen


def _state(life: Life, state: str, at: str | None) -> dict[str, Any]:
    is_now = state == life.state
    reason = life.state_reason.model_dump() if is_now and life.state_reason is not None else None
    return {
        "run": life.run_id,
        "state": state,
        "at": at,
        "state_reason": reason,
        "attempts": life.attempts,
        "finished": state in TERMINAL,
    }


class TooManyStreams(Exception):
    """As many clients listen as the threads of the server allow."""


class Streams:
    """How many event streams are open, and whether they are to end. They take less than half of the threads."""

    def __init__(self, threads: int) -> None:
        self.most = max(1, threads // 2 - 1)
        self._free = threading.BoundedSemaphore(self.most)
        self.is_stopping: Callable[[], bool] = lambda: False

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold one of the streams. Raises TooManyStreams."""
        if not self._free.acquire(blocking=False):
            raise TooManyStreams(f"{self.most} clients listen already")
        try:
            yield
        finally:
            self._free.release()
