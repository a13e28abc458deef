"""The store: all SQL of the service, and nothing else. No HTTP here, no processes, no statistics.

store = open_store("sqlite:////tmp/results.db")     # made or brought up to date when needed
run = store.create_run(RunSpec(protocol="swap_cache"))
"""

from __future__ import annotations

from server.db import Database, upgrade
from server.store.comparisons import Comparisons
from server.store.errors import ConflictError, IdempotencyError, NotFoundError, QueueFullError, StoreError
from server.store.lifecycle import Claim, Lifecycle, LiveAttempt
from server.store.results import Results
from server.store.studies import Studies, order_of_block

__all__ = [
    "Claim",
    "ConflictError",
    "IdempotencyError",
    "LiveAttempt",
    "NotFoundError",
    "QueueFullError",
    "Store",
    "StoreError",
    "open_store",
    "order_of_block",
]


class Store(Results, Studies, Lifecycle, Comparisons):
    """One results database that is up to date. Safe to share between threads."""

    def __init__(self, url: str) -> None:
        self.db = Database(url)

    def close(self) -> None:
        """Close the connections; the store can be used again, it opens new ones."""
        self.db.close()


def open_store(url: str) -> Store:
    """The store of `url`, its database made or migrated when needed. Raises DatabaseError."""
    upgrade(url)
    return Store(url)
