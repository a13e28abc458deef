"""Waits in the columns of `perf lock contention`: contended, total wait, max wait, avg wait, type, caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.compare.models import Comparison

# Cause of a wait -> type and caller as perf names them: the lock, and the function of the emulated kernel that waits.
CALLERS = {
    "cluster_lock": ("spinlock", "swap_cluster_lock"),
    "folio_lock": ("folio", "folio_lock"),
    "tick_sleep": ("sleep", "schedule_timeout_uninterruptible"),
    "device": ("io", "swap_read_folio"),
    "reclaim": ("mutex", "try_to_free_pages"),
    "mmap_lock": ("rwsem", "mmap_read_lock"),
    "page_table_lock": ("spinlock", "pte_offset_map_lock"),
    "other_lock": ("spinlock", "other"),
}


@dataclass(frozen=True)
class LockRow:
    """One cause of one arm; times in ns."""

    arm: str
    contended: int
    total_ns: int
    max_ns: int
    average_ns: float
    type: str
    caller: str


def lock_table(comparison: Comparison, names: Sequence[str]) -> list[LockRow]:
    """The causes that came up, the greatest total first, an arm after the other."""
    rows = []
    for name, arm in zip(names, (comparison.baseline, comparison.candidate), strict=True):
        waits = [(cause, wait) for cause, wait in arm.waits.items() if wait.count]
        for cause, wait in sorted(waits, key=lambda each: -each[1].total_ns):
            kind, caller = CALLERS.get(cause, ("other", cause))
            average = wait.total_ns / wait.count
            rows.append(LockRow(name, wait.count, wait.total_ns, wait.max_ns, average, kind, caller))
    return rows
