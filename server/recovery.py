"""After a crash: what still runs is adopted, what has ended is told of, what has died is buried, orphans are unlinked.

A supervisor does not end with whoever watched it. Its journal lies beside the database and holds all that it said, so a
successor reads on from there: no result is lost, and the fence of the attempt keeps any from counting twice.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from server.config import Settings
from server.db import seconds_since
from server.journal import SUFFIX, JournalError, JournalReader, remove_journal, unattended
from server.places import this_host
from server.processes import ProcessId, identify, is_alive, kill_session, myself
from server.store import Claim, LiveAttempt, Store
from shm.segment import sweep_orphans

PAUSE_SECONDS = 0.5  # between two looks of a dispatcher that nothing holds up, rarely more
STRAY_SECONDS = 3600.0  # a journal that no live attempt names and that is this old belongs to nobody


@dataclass(frozen=True)
class Adopted:
    """A supervisor to watch on: its journal, which process it is or was, and how long ago it was claimed."""

    claim: Claim
    journal: Path
    supervisor: ProcessId
    age_seconds: float


def sweep_segments() -> list[str]:
    """Unlink segments and semaphores whose owner is gone; their names."""
    return sweep_orphans()


def sweep_journals(store: Store, settings: Settings) -> None:
    """Remove journals of attempts that are over: those whose watcher died between the last row and the removal."""
    living = {attempt.token for attempt in store.live_attempts()}
    now = time.time()
    for path in settings.journals_directory.glob(f"*{SUFFIX}"):
        with unattended(path) as nobody_lives:
            if nobody_lives and path.stem not in living and now - path.stat().st_mtime > STRAY_SECONDS:
                remove_journal(path)


class Recovery:
    """Looks after the live rows of a database that nobody watches any more."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._overdue: dict[str, tuple[str, float]] = {}
        self._looked_at = 0.0

    def recover(self) -> list[Adopted]:
        """Adopt, requeue or bury every live row without a watcher; the adopted ones are to be watched from here.

        Queued rows stay queued. A row whose watcher lives and whose lease is fresh belongs to that watcher, also when
        its supervisor has just ended.
        """
        adopted, buried = [], False
        live = self._store.live_attempts()
        self._overdue = {token: seen for token, seen in self._overdue.items() if any(a.token == token for a in live)}
        if any(attempt.lease_is_over for attempt in live):
            self._skip_outage()
        for attempt in live:
            if _is_here(attempt) and not is_alive(attempt.owner):
                found = self._take_over(attempt)
                adopted += [found] if found else []
                buried = buried or found is None
            elif self._is_overdue(attempt) and not attempt.begun:
                self._store.requeue(attempt.token)  # a late delivery of it is not taken up
            elif self._is_overdue(attempt):
                self._bury(attempt, "lease_expired", f"Nobody renewed its lease, it ran out at {attempt.lease_until}.")
                buried = True
        if buried:
            sweep_segments()
        return adopted

    def _skip_outage(self) -> None:
        """Leave out of every clock the time in which nobody could write, whose silence says nothing: until we can, and
        since the last look what is longer than a pause, for then this process has waited for the database too.

        Raises what the store raises for a database that stays locked or is away.
        """
        began = time.monotonic()
        try:
            with self._store.db.write():
                now = time.monotonic()
        except SQLAlchemyError:
            self._overdue.clear()
            raise
        outage = now - began + max(0.0, began - self._looked_at - PAUSE_SECONDS)
        self._looked_at = now
        self._overdue = {token: (lease, since + outage) for token, (lease, since) in self._overdue.items()}

    def _is_overdue(self, attempt: LiveAttempt) -> bool:
        """True for a lease that ran out and was then seen unchanged for as long again: after the database was away for
        longer than a lease, its watcher is given the time to say so."""
        if not attempt.lease_is_over:
            self._overdue.pop(attempt.token, None)
            return False
        lease, since = self._overdue.get(attempt.token, (None, 0.0))
        now = time.monotonic()
        if lease != attempt.lease_until:
            self._overdue[attempt.token] = (attempt.lease_until, now)
            return False
        return now >= since + self._settings.lease_seconds

    def _take_over(self, attempt: LiveAttempt) -> Adopted | None:
        """The attempt of a watcher that is gone: to be watched on if it has begun, queued again if it never will."""
        if attempt.placer != "local":
            why = f"The {attempt.placer} worker that attended to it (pid {attempt.owner.pid}) is gone."
            self._bury(attempt, "engine_worker_died", why)
            return None
        path = None if attempt.journal is None else Path(attempt.journal)
        if path is None or not path.exists():
            if attempt.supervisor is None:  # the journal comes first: without one nothing was started
                self._store.requeue(attempt.token)
            else:
                self._bury(
                    attempt, "dispatcher_died", f"Its dispatcher (pid {attempt.owner.pid}) and its journal are gone."
                )
            return None
        with unattended(path) as nobody_lives:
            begun_by = self._begun_by(path)
            if begun_by is None and nobody_lives:  # and, as the file goes under its lock, nobody will
                remove_journal(path)
                self._store.requeue(attempt.token)
                return None
            supervisor = attempt.supervisor or begun_by
            return None if supervisor is None else self._adopt(attempt, path, supervisor)

    @staticmethod
    def _begun_by(path: Path) -> ProcessId | None:
        try:
            pids = [event.pid for event in JournalReader(path).read() if event.pid is not None]
        except JournalError:
            return None
        return (identify(pids[0]) or ProcessId(pids[0], 0)) if pids else None

    def _adopt(self, attempt: LiveAttempt, path: Path, supervisor: ProcessId) -> Adopted | None:
        claim = self._store.adopt(
            attempt.token, myself(), seen=attempt.owner, lease_seconds=self._settings.lease_seconds
        )
        if claim is None:
            return None
        return Adopted(claim, path, supervisor, seconds_since(attempt.claimed_at))

    def _bury(self, attempt: LiveAttempt, code: str, sentence: str) -> None:
        """End a row. What it left behind on this host is killed first: a row in a final state has no process."""
        if attempt.supervisor is not None and _is_here(attempt):
            kill_session(attempt.supervisor)
        self._store.give_up(attempt.token, "lost", code, sentence, lease_until=attempt.lease_until)


def _is_here(attempt: LiveAttempt) -> bool:
    """True where the pids of an attempt are those of this host."""
    return attempt.begun and attempt.host == this_host()
