"""`swaprace serve`: gunicorn, one process of many threads, and a dispatcher in a thread of its own beside them.

One process, since the dispatcher must be one; threads, since views wait for the database and hold the GIL little. The
application is made after gunicorn has forked its worker, and runs are fresh interpreters: nothing is forked from here.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from server import logs
from server.api.common import EXTENSION, Service
from server.app import make_app
from server.auth.access import token_is_needed
from server.config import LOOPBACK, Settings
from server.db import DatabaseError, upgrade
from server.dispatcher import Dispatcher, Notice
from server.exploring.keeper import Keeper
from server.intake import IntakeWorker, make_descriptors
from server.logs import ServerLogger
from server.metrics import Metrics
from server.retention import Pruner
from server.store import Store

KEEPALIVE_SECONDS = 75  # above any client's pause: gunicorn's 2 s close a connection just as a request comes on it
DATABASE_AWAY_SECONDS = 1.0  # between looks for it
# A thread that reads a row waits for the interpreter after each, as long as the thread that has it may keep it: with
# Python's 5 ms, 50 clients of lists wait ten times longer than their answers take to make.
SWITCH_SECONDS = 0.0002
STOP_SECONDS = 5.0  # beyond the time that a supervisor has to end: to kill it and to write its last row


@dataclass
class Background:
    """The dispatcher of a server process and its thread, and what prunes and explores beside it."""

    dispatcher: Dispatcher
    thread: threading.Thread
    pruner: Pruner
    keeper: Keeper


def start_dispatcher(service: Service) -> Background:
    """Start running what is queued, in a thread; every run that begins or ends is logged and counted."""

    def on_notice(notice: Notice) -> None:
        tell_run(notice, service.metrics)

    dispatcher = Dispatcher(service.store, service.settings, on_notice=on_notice, awake=service.store.queued)
    thread = threading.Thread(target=dispatcher.run_forever, name="dispatcher", daemon=True)
    service.metrics.watch_dispatcher(thread.is_alive)
    service.readiness.dispatcher_lives = thread.is_alive
    thread.start()
    pruner = Pruner(service.store, service.settings)
    pruner.start()
    keeper = Keeper(service.store, service.settings)
    keeper.start()
    return Background(dispatcher, thread, pruner, keeper)


def stop_dispatcher(background: Background, settings: Settings) -> bool:
    """End the live run and what is explored as cancelled, and wait for both; True when they have ended in time."""
    background.dispatcher.stop()
    background.pruner.stop()
    explored = background.keeper.stop()
    background.thread.join(settings.kill_after_seconds + STOP_SECONDS)
    return explored and not background.thread.is_alive()


def patiently_made(settings: Settings) -> Flask:
    """The application, once its database can be reached: `serve` has reached it, so a worker that is made anew waits.

    gunicorn would take an error here for one that every worker has, and end the server. A worker that waits for longer
    than its timeout is replaced by another that waits.
    """
    while True:
        try:
            return make_app(settings)
        except DatabaseError as error:
            logging.getLogger("swaprace.serve").warning("waiting for the database: %s", error)
            time.sleep(DATABASE_AWAY_SECONDS)


def tell_run(notice: Notice, metrics: Metrics) -> None:
    """Log and count the begin and the end of a run; what happens between is in its samples."""
    run = notice.run
    if run is None or notice.kind not in ("claimed", "finished"):
        return
    if notice.kind == "claimed":
        metrics.claimed()
    else:
        metrics.ended(run)
    figures = {"run_id": run.id, "protocol": run.protocol, "scenario": run.scenario, "state": run.state}
    if run.state_reason is not None:
        figures["reason"] = run.state_reason.sentence
    logging.getLogger("swaprace.runs").info("run %s", notice.kind, extra=figures)


class Server(BaseApplication):
    """gunicorn configured by `Settings` alone: no file, no command line."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._service: Service | None = None
        self._background: Background | None = None
        self._master = 0
        super().__init__()

    def load_config(self) -> None:
        """Hand the settings to gunicorn."""
        settings = self._settings
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        graceful = settings.kill_after_seconds + STOP_SECONDS
        options: dict[str, Any] = {
            "bind": f"{host}:{settings.port}",
            "workers": 1,
            "worker_class": type("Worker", (IntakeWorker,), {"settings": settings}),
            "worker_connections": make_descriptors(),
            "threads": settings.threads,
            "limit_request_line": 8190,  # the state of a page, and the query of the SQL page, stand in the address
            "forwarded_allow_ips": "",  # nobody's headers say who asks, or for which path
            "logger_class": ServerLogger,
            "keepalive": KEEPALIVE_SECONDS,
            "graceful_timeout": int(graceful) + 1,
            "timeout": int(graceful) + 30,
            "proc_name": "swaprace",
            "loglevel": "warning",
            "post_worker_init": self._on_worker_start,
            "worker_exit": self._on_worker_exit,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Make the application and start the dispatcher; gunicorn calls this in its worker."""
        self._master = os.getppid()
        sys.setswitchinterval(SWITCH_SECONDS)
        app = patiently_made(self._settings)
        self._service = app.extensions[EXTENSION]
        self._background = start_dispatcher(self._service)
        return app

    def _on_worker_start(self, worker: Any) -> None:
        if self._service is not None:
            self._service.streams.is_stopping = lambda: not worker.alive

    def _on_worker_exit(self, _arbiter: object, _worker: object) -> None:
        if os.getppid() != self._master:
            if self._background is not None:
                self._background.keeper.stop()  # an explorer ends with this process in any case
            return  # the master was killed, nobody asked to stop: the run goes on, and whoever comes next adopts it
        if self._background is not None:
            stop_dispatcher(self._background, self._settings)


class RefusedToServe(RuntimeError):
    """The address is not served as things are; the message tells what is missing."""


def refuse_without_token(settings: Settings) -> None:
    """Raise RefusedToServe where a token is needed and there is none that anybody could use."""
    if not token_is_needed(settings):
        return
    store = Store(settings.database_url)
    try:
        if not store.has_good_token():
            why = "SWAPRACE_REQUIRE_TOKEN is set" if settings.host in LOOPBACK else f"{settings.host} is not loopback"
            raise RefusedToServe(
                f"{why}, and there is no token: make one with `swaprace token create NAME --scope run`"
            )
    finally:
        store.close()


def serve(settings: Settings, *, on_ready: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGINT or SIGTERM. `on_ready` is called once nothing speaks against it, before anything listens.

    Raises DatabaseError and RefusedToServe before that.
    """
    logs.configure(settings)
    upgrade(settings.database_url)
    refuse_without_token(settings)
    on_ready()
    Server(settings).run()
