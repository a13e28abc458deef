"""Whether this process can do its work now: what /readyz answers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from server.config import Settings
from server.store import Store


class Readiness:
    """Looks at what a run needs: the database, a dispatcher that lives, room for journals."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self.dispatcher_lives: Callable[[], bool] = lambda: False

    def lacking(self) -> list[str]:
        """What is missing, a sentence each; empty when a run that is queued now would be started."""
        checks = (self._database, self._dispatcher, self._journals)
        return [problem for check in checks if (problem := check()) is not None]

    def _database(self) -> str | None:
        try:
            self._store.count_unfinished()
        except SQLAlchemyError as error:
            return f"The database cannot be read: {str(error).splitlines()[0]}."
        return None

    def _dispatcher(self) -> str | None:
        return None if self.dispatcher_lives() else "No dispatcher runs in this process: queued runs are not started."

    def _journals(self) -> str | None:
        directory = self._settings.journals_directory
        nearest = next(each for each in (directory, *directory.parents, Path("/")) if each.exists())
        return None if os.access(nearest, os.W_OK | os.X_OK) else f"Journals cannot be written below {nearest}."
