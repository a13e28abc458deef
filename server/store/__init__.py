"""The store: all SQL of the service, and nothing else. No HTTP here, no processes, no statistics.

store = open_store("sqlite:////tmp/results.db")     # made or brought up to date when needed
run = store.create_run(RunSpec(protocol="swap_cache"))
"""

from __future__ import annotations

import threading

from server.db import Database, upgrade
from server.store.baselines import Baselines
from server.store.browse import Browse
from server.store.claims import Claim, Claims, Refusal
from server.store.comparisons import Comparisons
from server.store.errors import ConflictError, IdempotencyError, NotFoundError, QueueFullError, StoreError
from server.store.explorations import Explorations
from server.store.exports import Exports
from server.store.hosts import Hosts
from server.store.lifecycle import Lifecycle, LiveAttempt
from server.store.load_tests import LoadTests
from server.store.monitoring import Monitoring
from server.store.queries import Queries
from server.store.replays import Replays
from server.store.retention import Kept, Pruned, Retention
from server.store.security import Security
from server.store.studies import Studies, laid_out, order_of_block
from server.store.texts import Texts
from server.store.timelines import Timelines

__all__ = [
    "Claim",
    "ConflictError",
    "IdempotencyError",
    "Kept",
    "LiveAttempt",
    "NotFoundError",
    "Pruned",
    "QueueFullError",
    "Refusal",
    "Store",
    "StoreError",
    "laid_out",
    "open_store",
    "order_of_block",
]


class Store(
    Timelines,
    Studies,
    Explorations,
    Replays,
    Claims,
    Lifecycle,
    Comparisons,
    Security,
    Monitoring,
    Browse,
    Queries,
    Exports,
    Retention,
    LoadTests,
    Baselines,
    Hosts,
    Texts,
):
    """One results database that is up to date. Safe to share between threads.

    `queued` is set when a run was queued, `explorations_queued` when an exploration was.
    """

    def __init__(self, url: str) -> None:
        self.db = Database(url)
        self.queued = threading.Event()
        self.explorations_queued = threading.Event()

    def close(self) -> None:
        """Close the connections; the store can be used again, it opens new ones."""
        self.db.close()


def open_store(url: str) -> Store:
    """The store of `url`, its database made or migrated when needed. Raises DatabaseError."""
    upgrade(url)
    return Store(url)
