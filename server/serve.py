"""`swaprace serve`: gunicorn, one process of many threads, and a dispatcher in a thread of its own beside them.

One process, since the dispatcher must be one; threads, since views wait for the database and hold the GIL little. The
application is made after gunicorn has forked its worker, and runs are fresh interpreters: nothing is forked from here.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from server.api.common import EXTENSION, Service
from server.app import make_app
from server.config import Settings
from server.db import upgrade
from server.dispatcher import Dispatcher

KEEPALIVE_SECONDS = 75  # above any client's pause: gunicorn's 2 s close a connection just as a request comes on it
STOP_SECONDS = 5.0  # beyond the time that a supervisor has to end: to kill it and to write its last row


@dataclass
class Background:
    """The dispatcher of a server process and its thread."""

    dispatcher: Dispatcher
    thread: threading.Thread


def start_dispatcher(service: Service) -> Background:
    """Start running what is queued, in a thread."""
    dispatcher = Dispatcher(service.store, service.settings)
    thread = threading.Thread(target=dispatcher.run_forever, name="dispatcher", daemon=True)
    thread.start()
    return Background(dispatcher, thread)


def stop_dispatcher(background: Background, settings: Settings) -> bool:
    """End the live run as cancelled and wait for the thread; True when it has ended in time."""
    background.dispatcher.stop()
    background.thread.join(settings.kill_after_seconds + STOP_SECONDS)
    return not background.thread.is_alive()


class Server(BaseApplication):
    """gunicorn configured by `Settings` alone: no file, no command line."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._background: Background | None = None
        super().__init__()

    def load_config(self) -> None:
        """Hand the settings to gunicorn."""
        settings = self._settings
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        graceful = settings.kill_after_seconds + STOP_SECONDS
        options: dict[str, Any] = {
            "bind": f"{host}:{settings.port}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": settings.threads,
            "keepalive": KEEPALIVE_SECONDS,
            "graceful_timeout": int(graceful) + 1,
            "timeout": int(graceful) + 30,
            "proc_name": "swaprace",
            "loglevel": "warning",
            "worker_exit": self._on_worker_exit,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Make the application and start the dispatcher; gunicorn calls this in its worker."""
        app = make_app(self._settings)
        self._background = start_dispatcher(app.extensions[EXTENSION])
        return app

    def _on_worker_exit(self, _arbiter: object, _worker: object) -> None:
        if self._background is not None:
            stop_dispatcher(self._background, self._settings)


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Raises DatabaseError before anything listens."""
    upgrade(settings.database_url)
    Server(settings).run()
