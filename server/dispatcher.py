"""The dispatcher: takes queued runs one after another and watches each to its end.

The same class serves a server, in a thread, and the command line, in the main thread. Any number of them may share a
database: a claim is one statement, and while one measures the others wait.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection

from sqlalchemy.exc import SQLAlchemyError

from server.config import Settings
from server.processes import myself
from server.recovery import bury, sweep_segments
from server.store import Store
from server.watch import Notice, Watch

__all__ = ["Dispatcher", "Notice"]

IDLE_SECONDS = 0.2
RETRY_SECONDS = 2.0  # after an error of the database, such as a full disk


class Dispatcher:
    """Runs what is queued: all of it, or only the runs of a study or of a list.

    `on_notice` is called from the thread that runs, for everything that happens to a run; it must not raise.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        study_id: int | None = None,
        run_ids: Collection[int] | None = None,
        on_notice: Callable[[Notice], None] | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._study_id = study_id
        self._run_ids = None if run_ids is None else list(run_ids)
        self._on_notice = on_notice or (lambda _notice: None)
        self._stop = threading.Event()

    def stop(self) -> None:
        """Make `run_until` return: the run that is live ends as cancelled, queued ones stay queued."""
        self._stop.set()

    def run_until(self, done: Callable[[], bool]) -> None:
        """Bury the dead, then run what is queued until `done()` is true or `stop` is called."""
        bury(self._store)
        sweep_segments()
        while not self._stop.is_set() and not done():
            if not self.run_one():
                self._stop.wait(IDLE_SECONDS)

    def run_forever(self) -> None:
        """`run_until` the call of `stop`, across errors of the database, which are logged."""
        log = logging.getLogger("swaprace.dispatcher")
        while not self._stop.is_set():
            try:
                self.run_until(lambda: False)
            except SQLAlchemyError as error:
                log.error("the database failed; trying again in %g s: %s", RETRY_SECONDS, error)
                self._stop.wait(RETRY_SECONDS)

    def run_one(self) -> bool:
        """Claim one run and watch it to its end; False when there is none to claim."""
        bury(self._store)
        if not self._store.is_waiting(study_id=self._study_id, run_ids=self._run_ids):
            return False
        claim = self._store.claim(
            myself(),
            lease_seconds=self._settings.lease_seconds,
            study_id=self._study_id,
            run_ids=self._run_ids,
        )
        if claim is None:
            return False
        Watch(self._store, self._settings, claim, self._on_notice).watch(self._stop.is_set)
        return True
