"""What a server does for its database once a day, in a thread of its own: prune by its settings, and learn."""

from __future__ import annotations

import logging
import threading

from sqlalchemy.exc import SQLAlchemyError

from server.config import Settings
from server.db import utc_now
from server.store import Kept, Store

DAY_SECONDS = 86_400.0
STOP_SECONDS = 2.0  # a prune is many transactions: the rest of them can wait for the next server
log = logging.getLogger("swaprace.retention")


class Pruner:
    """Prunes, where the settings do not keep everything, and has the database learn: when it starts and every day."""

    def __init__(self, store: Store, settings: Settings, *, every_seconds: float = DAY_SECONDS) -> None:
        self._store = store
        self._every_seconds = every_seconds
        self._keep = Kept(settings.keep_days or None, settings.keep_bytes or None)
        self._audit_days = settings.audit_days
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, within a moment."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._prune()
                self._store.learn()
            except SQLAlchemyError as error:
                log.error("pruning failed; trying again in a day: %s", error)
            self._stop.wait(self._every_seconds)

    def _prune(self) -> None:
        if self._keep != Kept():
            pruned = self._store.prune(self._keep)
            if pruned.runs or pruned.explorations:
                told = (pruned.runs, pruned.explorations, pruned.freed_bytes)
                log.info("pruned %d runs and %d explorations, about %d bytes", *told)
        if self._audit_days:
            rows = self._store.prune_audit(before=utc_now(plus_seconds=-self._audit_days * DAY_SECONDS))
            if rows:
                log.info("forgot %d rows of the record of changes", rows)
