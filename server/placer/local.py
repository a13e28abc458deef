"""Runs on this machine, each attended to by a thread of this process. The default."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from server.config import Settings
from server.logs import belonging_to
from server.placer.attend import attend, place_of_this_process
from server.placer.base import PLACED, Capacity, Stage
from server.placer.patience import patient
from server.recovery import Adopted
from server.store import Claim, Store
from server.watch import Notice, Watch


@dataclass
class _Attended:
    """An attempt of this process, and how its thread ended."""

    claim: Claim
    stop: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    error: str = ""


class LocalPlacer:
    """One run at a time on the CPUs of this process's place.

    `on_notice` is called for what happens to a run, `on_end` when a thread is done; both from that thread.
    """

    name = "local"

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        on_notice: Callable[[Notice], None] = lambda _notice: None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._on_notice = on_notice
        self._on_end = on_end
        self._place = place_of_this_process(settings)
        self._attended: dict[str, _Attended] = {}

    def capacity(self) -> Capacity:
        """The place of this process, free while nothing of it is measured there."""
        return Capacity([self._place], [] if self._attended else [self._place])

    def submit(self, claim: Claim) -> None:
        """Start a thread for the attempt."""
        self._start(claim, lambda stopping: self._attend(claim, stopping))

    def adopt(self, adopted: Adopted) -> None:
        """Start a thread that watches a supervisor on whose watcher is gone."""

        def watch_on(stopping: Callable[[], bool]) -> None:
            store = patient(self._store, stopping, stop_seconds=self._settings.kill_after_seconds)
            Watch(store, self._settings, adopted.claim, self._on_notice, adopted=adopted).watch(stopping)

        self._start(adopted.claim, watch_on)

    def _attend(self, claim: Claim, stopping: Callable[[], bool]) -> None:
        attend(
            self._store, self._settings, claim.token, place=self._place, stopping=stopping, on_notice=self._on_notice
        )

    def _start(self, claim: Claim, body: Callable[[Callable[[], bool]], object]) -> None:
        attended = _Attended(claim)
        self._attended[claim.token] = attended
        threading.Thread(target=self._run, args=[attended, body], name=f"run {claim.run_id}", daemon=True).start()

    def _run(self, attended: _Attended, body: Callable[[Callable[[], bool]], object]) -> None:
        try:
            with belonging_to(run_id=attended.claim.run_id, attempt=attended.claim.token):
                body(attended.stop.is_set)
        except Exception as error:
            logging.getLogger("swaprace.placer").exception("run %d: attending to it failed", attended.claim.run_id)
            attended.error = f"{type(error).__name__}: {error}"
        finally:
            attended.ended.set()
            self._on_end()

    def cancel(self, token: str) -> None:
        """Have the thread end its run."""
        if token in self._attended:
            self._attended[token].stop.set()

    def poll(self, token: str) -> Stage:
        """Whether the thread is still at it."""
        attended = self._attended.get(token)
        if attended is None:
            return Stage("ended", "dispatcher_died", "Nobody here attends to it.")
        if not attended.ended.is_set():
            return PLACED
        del self._attended[token]
        return Stage("ended", "attendant_failed", f"Attending to it failed: {attended.error or 'no reason given'}.")

    def close(self) -> None:
        """Nothing is held."""
