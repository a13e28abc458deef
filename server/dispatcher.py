"""The dispatcher: gives queued runs to a placer, one a place, and sees each to its end.

The same class serves a server, in a thread, and the command line, in the main thread. Any number of them may share a
database: a claim is one transaction, and while a run is measured on some CPUs no other is given to them.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from server.config import Settings
from server.placer import LocalPlacer, Placer, PlacerError, Stage, placer_named
from server.placer.patience import AWAY, first_line
from server.processes import myself
from server.recovery import Adopted, Recovery, sweep_journals, sweep_segments
from server.schemas import Kind
from server.store import Claim, Store
from server.watch import Notice

__all__ = ["Dispatcher", "Notice"]

IDLE_SECONDS = 0.2
AWAY_SECONDS = 1.0  # between looks at a database that is away
PATIENCE_SECONDS = 120.0  # that a command has with a database that is away; a server has as much as it takes
RETRY_SECONDS = 2.0  # after an error that is no absence, such as an engine that cannot be reached
HOLD_SECONDS = 1.0  # between renewals of the lease of an attempt that waits in its engine
STOP_SECONDS = 5.0  # beyond the time that a supervisor has to end: to kill it and to write its last row

log = logging.getLogger("swaprace.dispatcher")


@dataclass
class _Placed:
    """An attempt that the placer has. Its lease is ours to renew until it is taken up where it was placed."""

    claim: Claim
    placer: Placer
    waits: bool = True
    held_at: float = 0.0
    stage: Stage | None = None


class Dispatcher:
    """Runs what is queued: all of it, or only the runs of a study or of a list.

    `placer` is the one that the settings name unless given. `on_notice` is called from the thread that runs, for
    everything that happens to a run here; of a run that is measured elsewhere, for its claim and its end. `awake` is
    set by whoever queues a run in this process; what others queue is seen a moment later.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        placer: Placer | None = None,
        study_id: int | None = None,
        run_ids: Collection[int] | None = None,
        on_notice: Callable[[Notice], None] | None = None,
        awake: threading.Event | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._placer = placer
        self._here = LocalPlacer(store, settings, on_notice=self._post, on_end=self.wake)
        self._recovery = Recovery(store, settings)
        self._study_id = study_id
        self._run_ids = None if run_ids is None else list(run_ids)
        self._on_notice = on_notice or (lambda _notice: None)
        self._stop = threading.Event()
        self._interrupted = False
        self._wake = awake or threading.Event()
        self._notices: queue.SimpleQueue[Notice] = queue.SimpleQueue()
        self._placed: dict[str, _Placed] = {}

    def stop(self) -> None:
        """Make `run_until` return: what is live from here ends as cancelled, queued runs stay queued."""
        self._stop.set()
        self._wake.set()

    def interrupt(self) -> None:
        """`stop`, from a handler of signals: it takes no lock that the interrupted thread may hold, and is seen later.

        An exception in the place of it could come between a claim and the note of it, and leave a run that nobody ends.
        """
        self._interrupted = True

    def wake(self) -> None:
        """Have a look at once: a run was queued, or something happened to one."""
        self._wake.set()

    def run_until(self, done: Callable[[], bool], *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Run what is queued until `done()` is true and nothing placed from here is live, or until a `stop`.

        Supervisors of this host that nobody watches any more are watched on from here, whoever started them. A database
        or an engine that goes away is waited for up to `patience_seconds`, while what is measured goes on. Raises
        SQLAlchemyError and PlacerError after that, and when the engine is not there to begin with.
        """
        sweep_segments()
        self._engine()
        away_since: float | None = None
        try:
            while not (self._stop.is_set() or self._interrupted):
                self._wake.clear()
                try:
                    moved = self._step()
                    if not self._placed and done():
                        return
                    away_since = None
                except (*AWAY, PlacerError) as error:
                    moved, now = False, time.monotonic()
                    away_since = now if away_since is None else away_since
                    if now > away_since + patience_seconds:
                        raise
                    what = "engine" if isinstance(error, PlacerError) else "database"
                    log.warning("the %s is away, trying again: %s", what, first_line(error))
                if not moved:
                    self._wake.wait(IDLE_SECONDS if away_since is None else AWAY_SECONDS)
        finally:
            self._withdraw()

    def run_forever(self) -> None:
        """`run_until` the call of `stop`, across errors of the database and of the engine, which are logged."""
        while not self._stop.is_set():
            try:
                sweep_journals(self._store, self._settings)
                self.run_until(lambda: False, patience_seconds=math.inf)
            except SQLAlchemyError as error:
                log.error("the database failed; trying again in %g s: %s", RETRY_SECONDS, error)
            except PlacerError as error:
                log.error("cannot place runs; trying again in %g s: %s", RETRY_SECONDS, error)
            except Exception:
                log.exception("the dispatcher failed; it starts anew in %g s", RETRY_SECONDS)
            self._stop.wait(RETRY_SECONDS)

    def close(self) -> None:
        """Let go of the engine."""
        if self._placer is not None:
            self._placer.close()
            self._placer = None

    def placed(self, token: str) -> Placer | None:
        """The placer that has an attempt; None when none has."""
        placed = self._placed.get(token)
        return None if placed is None else placed.placer

    def _engine(self) -> Placer:
        if self._placer is None:
            is_local = self._settings.placer == self._here.name
            self._placer = self._here if is_local else placer_named(self._settings.placer, self._settings, self.wake)
        return self._placer

    def _post(self, notice: Notice) -> None:
        """Take a notice from the thread of a run."""
        self._notices.put(notice)
        self._wake.set()

    def _step(self) -> bool:
        """One round; False when nothing has moved."""
        for adopted in self._recovery.recover():
            self._adopt(adopted)
        ended = self._tend()
        self._tell()
        return self._place() or ended

    def _adopt(self, adopted: Adopted) -> None:
        """Watch on over a supervisor of this host that nobody watches any more."""
        self._placed[adopted.claim.token] = _Placed(adopted.claim, self._here, waits=False)
        self._here.adopt(adopted)
        self._notify("claimed", adopted.claim)

    def _place(self) -> bool:
        """Give what is queued to the places that are free."""
        study_id, run_ids = self._study_id, self._run_ids
        if not self._store.is_waiting(study_id=study_id, run_ids=run_ids):
            return False
        placer, placed = self._engine(), False
        try:
            capacity = placer.capacity()
        except PlacerError:
            self.close()  # the next look connects anew
            raise
        for place in capacity.free:
            claim = self._store.claim(
                myself(),
                lease_seconds=self._settings.lease_seconds,
                place=place,
                placer=placer.name,
                others=capacity.beside(place),
                study_id=study_id,
                run_ids=run_ids,
            )
            if claim is None:
                continue
            try:
                placer.submit(claim)
            except PlacerError:
                self._store.requeue(claim.token)  # nobody has it, so that nothing has begun
                raise
            placed = True
            self._placed[claim.token] = _Placed(claim, placer)
            self._notify("claimed", claim)
        return placed

    def _tend(self) -> bool:
        """See to what has been placed; True when something of it has ended."""
        ended = False
        for token, placed in list(self._placed.items()):
            placed.stage = placed.stage or placed.placer.poll(token)
            if placed.stage.state == "ended":
                ended = True
                self._finish(placed.claim, placed.stage)
                continue
            placed.stage = None
            if placed.waits and time.monotonic() >= placed.held_at + HOLD_SECONDS:
                state = self._store.hold(token, lease_seconds=self._settings.lease_seconds)
                placed.held_at = time.monotonic()
                placed.waits = state is not None
                if state == "cancelling":
                    placed.placer.cancel(token)
        return ended

    def _finish(self, claim: Claim, stage: Stage) -> None:
        """The engine is done with an attempt: one that has left no end of its own is lost."""
        self._store.give_up(claim.token, "lost", stage.code, stage.sentence)
        run = self._store.get_run(claim.run_id)
        del self._placed[claim.token]
        self._tell()
        self._on_notice(Notice(kind="finished", run_id=claim.run_id, run=run))

    def _withdraw(self) -> None:
        """Have everything that is still placed end, and wait for it."""
        for token, placed in self._placed.items():
            placed.placer.cancel(token)
        until = time.monotonic() + self._settings.kill_after_seconds + STOP_SECONDS
        while self._placed and time.monotonic() < until:
            self._wake.clear()
            try:
                moved = self._tend()
            except AWAY as error:
                log.warning("the database is away while stopping: %s", first_line(error))
                moved = False
            if not moved:
                self._wake.wait(IDLE_SECONDS)
        self._placed.clear()

    def _tell(self) -> None:
        while not self._notices.empty():
            self._on_notice(self._notices.get())

    def _notify(self, kind: Kind, claim: Claim) -> None:
        self._on_notice(Notice(kind=kind, run_id=claim.run_id, run=self._store.get_run(claim.run_id)))
