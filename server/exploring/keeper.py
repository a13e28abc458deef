"""Plays queued explorations beside a server: a few at once, each in a thread that lives as long as its explorer.

Explorations do not outlive the server, unlike measured runs: nothing of one is worth more than to begin again. What a
server that died has left is marked as lost by whoever looks next, a server or a command.
"""

from __future__ import annotations

import logging
import threading
import time

from sqlalchemy.exc import SQLAlchemyError

from server.config import Settings
from server.exploring.schemas import Exploration
from server.exploring.watch import ExplorationWatch
from server.logs import belonging_to
from server.placer.patience import patient
from server.processes import myself
from server.store import Store

IDLE_SECONDS = 0.5  # a queue that another process fills is looked at so often
BURY_SECONDS = 5.0
AWAY_SECONDS = 2.0  # after an error of the database
STOP_SECONDS = 5.0  # beyond the time that an explorer has to end: to kill it and to write its row

log = logging.getLogger("swaprace.explorations")


class Keeper:
    """Claims what is queued, up to SWAPRACE_EXPLORATIONS at once, and sees each to its end."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._stop = threading.Event()
        self._wake = store.explorations_queued
        self._thread = threading.Thread(target=self._run, name="explorations", daemon=True)
        self._playing: list[threading.Thread] = []
        self._buried_at: float | None = None

    def start(self) -> None:
        """Begin. What lives by the table and has nobody any more is lost at once."""
        self._thread.start()

    def stop(self) -> bool:
        """Cancel what is played, and wait for it; True when it has ended in time. What is queued stays so."""
        self._stop.set()
        self._wake.set()
        until = time.monotonic() + self._settings.kill_after_seconds + STOP_SECONDS
        for thread in (self._thread, *self._playing):
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in (self._thread, *self._playing))

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                self._bury()
                while self._has_room() and not self._stop.is_set():
                    claimed = self._store.claim_exploration(myself(), lease_seconds=self._settings.lease_seconds)
                    if claimed is None:
                        break
                    self._play(claimed)
                pause = IDLE_SECONDS
            except SQLAlchemyError as error:
                log.error("the database failed; trying again in %g s: %s", AWAY_SECONDS, error)
                pause = AWAY_SECONDS
            if not self._stop.is_set():
                self._wake.wait(pause)

    def _has_room(self) -> bool:
        self._playing = [thread for thread in self._playing if thread.is_alive()]
        return len(self._playing) < self._settings.explorations

    def _bury(self) -> None:
        now = time.monotonic()
        if self._buried_at is None or now >= self._buried_at + BURY_SECONDS:
            self._buried_at = now
            for number in self._store.bury_explorations():
                log.warning("exploration lost", extra={"exploration_id": number})

    def _play(self, exploration: Exploration) -> None:
        name = f"exploration {exploration.id}"
        thread = threading.Thread(target=self._attend, args=[exploration], name=name, daemon=True)
        self._playing.append(thread)
        thread.start()

    def _attend(self, exploration: Exploration) -> None:
        store = patient(self._store, self._stop.is_set, stop_seconds=self._settings.kill_after_seconds)
        told = {"protocol": exploration.protocol, "scenario": exploration.scenario}
        with belonging_to(exploration_id=exploration.id):
            log.info("exploration begun", extra=told)
            try:
                watch = ExplorationWatch(store, self._settings, exploration, is_stopping=self._stop.is_set)
                ended = watch.watch()
                figures = {"schedules": ended.schedules, "seconds": ended.seconds, "reason": ended.reason}
                log.info("exploration %s", ended.state, extra={**told, **figures})
            except Exception:
                log.exception("attending to it failed")
            finally:
                self._wake.set()
