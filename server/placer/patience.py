"""A store that waits for its database: what a run has measured is not thrown away because a database is restarted."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from server.store import Store

AWAY = (OperationalError, InterfaceError, PoolTimeoutError)  # that a database raises which is locked or not reached
AGAIN_SECONDS = 0.25

log = logging.getLogger("swaprace.placer")


def first_line(error: Exception) -> str:
    """What an error of the database says, without its statement."""
    return str(error).partition("\n")[0]


class _Patient:
    """Every method of a store, tried again while the database is away."""

    def __init__(self, store: Store, is_stopping: Callable[[], bool], stop_seconds: float) -> None:
        self._store = store
        self._is_stopping = is_stopping
        self._stop_seconds = stop_seconds

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        return self._patiently(method) if callable(method) else method

    def _patiently(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def patiently(*args: Any, **kwargs: Any) -> Any:
            stopping_since: float | None = None
            away = False
            while True:
                try:
                    return method(*args, **kwargs)
                except AWAY as error:
                    now = time.monotonic()
                    if self._is_stopping():
                        stopping_since = now if stopping_since is None else stopping_since
                        if now > stopping_since + self._stop_seconds:
                            raise
                    if not away:
                        log.warning("the database is away, waiting for it: %s", first_line(error))
                        away = True
                    time.sleep(AGAIN_SECONDS)

        return patiently


def patient(store: Store, is_stopping: Callable[[], bool], *, stop_seconds: float) -> Store:
    """`store`, whose methods wait for a database that is away: as long as it takes, or once stopping `stop_seconds`.

    The methods that a run is written through are fenced by its token: to call one again changes nothing twice.
    """
    return cast("Store", _Patient(store, is_stopping, stop_seconds))
