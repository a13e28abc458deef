"""One exploration from its start to its end: what the explorer says becomes a row, and its silence becomes a reason."""

from __future__ import annotations

import time
from collections.abc import Callable

from server.config import Settings
from server.exploring.child import Explorer, ExplorerError
from server.exploring.schemas import Exploration
from server.exploring.states import ExplorationState
from server.store import Store
from workers.exploration import DEFAULT_SECONDS, ExplorationEvent, ExplorationOutcome, ExplorationSpec

LOOK_SECONDS = 0.2
RENEW_SECONDS = 1.0  # the lease is renewed, a cancel is looked for, and how far it is is noted
KILLED = "Killed: it did not end within {grace:g} s of the request."
SILENT = "Killed: no outcome {seconds:g} s after the start."
SUPERSEDED = "It was ended by somebody else."


def deadline_seconds(spec: ExplorationSpec, most_seconds: float) -> float:
    """Time that an exploration has to search: its seconds, or `most_seconds` where schedules end it."""
    by_schedules = spec.seconds is None and spec.schedules is not None
    return most_seconds if by_schedules else spec.seconds or DEFAULT_SECONDS


class ExplorationWatch:
    """Watches one exploration that this process has begun or claimed.

    `is_stopping` turns true when it is to be cancelled from here; `on_event` is called for whatever the explorer says.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        exploration: Exploration,
        *,
        is_stopping: Callable[[], bool] = lambda: False,
        on_event: Callable[[ExplorationEvent], None] = lambda _event: None,
        most_seconds: float | None = None,
    ) -> None:
        """`most_seconds`: time for one that is to end by its schedules; the server's unless told."""
        self._store = store
        self._settings = settings
        self._exploration = exploration
        self._is_stopping = is_stopping
        self._on_event = on_event
        seconds = deadline_seconds(exploration.spec, most_seconds or settings.max_exploration_seconds)
        self._deadline_seconds = seconds + settings.deadline_margin_seconds  # to make the machine, and to shrink
        self._started_at = self._renewed_at = time.monotonic()
        self._cancelled_at: float | None = None
        self._schedules = 0
        self._outcome: ExplorationOutcome | None = None

    def watch(self) -> Exploration:
        """Play it to its end; the exploration as it then stands in the table, with nothing of it left."""
        number = self._exploration.id
        try:
            with Explorer(self._exploration.spec, deadline_seconds=self._deadline_seconds) as explorer:
                end = self._supervise(explorer)
        except ExplorerError as error:
            end = ("failed", str(error))
        if self._outcome is not None:
            self._store.finish_exploration(number, self._outcome)
        elif end is not None:
            self._store.end_exploration(number, *end)
        return self._store.get_exploration(number)

    def _supervise(self, explorer: Explorer) -> tuple[ExplorationState, str] | None:
        """Read on until the outcome has come; the end of one that left none."""
        while True:
            for event in explorer.read(LOOK_SECONDS):
                self._schedules = event.schedules or self._schedules
                if event.event == "outcome" and event.outcome is None:
                    raise ExplorerError("the explorer wrote an outcome event without an outcome")
                self._outcome = event.outcome or self._outcome
                self._on_event(event)
            if self._outcome is not None:
                explorer.wait(self._settings.kill_after_seconds)
                return None
            end = self._look(explorer)
            if end is not None:
                return end

    def _look(self, explorer: Explorer) -> tuple[ExplorationState, str] | None:
        """Renew the lease, pass a cancel on, and judge an explorer that is gone or late."""
        now, grace = time.monotonic(), self._settings.kill_after_seconds
        if explorer.at_end:
            if self._cancelled_at is not None:
                return "cancelled", "Cancelled on request."
            return "failed", explorer.last_words()
        state: ExplorationState | None = "cancelling" if self._is_stopping() else "running"
        if now >= self._renewed_at + RENEW_SECONDS:
            self._renewed_at = now
            kept = self._store.renew_exploration(
                self._exploration.id,
                schedules=self._schedules,
                seconds=now - self._started_at,
                lease_seconds=self._settings.lease_seconds,
            )
            state = kept if kept != "running" else state
        if state is None:
            return "lost", SUPERSEDED
        if state == "cancelling" and self._cancelled_at is None:
            self._cancelled_at = now
            explorer.cancel()
        if self._cancelled_at is not None and now > self._cancelled_at + grace:
            return "cancelled", KILLED.format(grace=grace)
        if now > self._started_at + self._deadline_seconds + grace:
            return "failed", SILENT.format(seconds=self._deadline_seconds)
        return None
