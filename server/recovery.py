"""After a crash: runs that nobody watches are buried, and segments that nobody owns are unlinked."""

from __future__ import annotations

from server.processes import is_alive, kill_session
from server.store import LiveAttempt, Store
from shm.segment import sweep_orphans


def sweep_segments() -> list[str]:
    """Unlink segments and semaphores whose owner is gone; their names."""
    return sweep_orphans()


def bury(store: Store) -> list[int]:
    """End every live row whose watcher is gone or whose lease has run out; ids of the runs that this ended.

    What such a run left behind is killed first: a row in a final state has no process. Queued rows stay queued. A row
    whose watcher lives and whose lease is fresh belongs to that watcher, also when its supervisor has just ended.
    """
    buried = []
    for attempt in store.live_attempts():
        reason = _reason(attempt)
        if reason is None:
            continue
        if attempt.supervisor is not None:
            kill_session(attempt.supervisor)
        if store.give_up(attempt.token, "lost", *reason, lease_until=attempt.lease_until):
            buried.append(attempt.run_id)
    if buried:
        sweep_segments()
    return buried


def _reason(attempt: LiveAttempt) -> tuple[str, str] | None:
    if not is_alive(attempt.owner):
        return "dispatcher_died", f"Its dispatcher (pid {attempt.owner.pid}) is gone and left no outcome."
    if attempt.lease_is_over:
        return "lease_expired", f"Nobody renewed its lease, which ran out at {attempt.lease_until}."
    return None
