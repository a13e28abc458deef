"""Runs on the workers of a Dask cluster (extra `cluster`), each attended to by a task there.

Dask runs a task again when its worker dies, which would measure a run twice: here a task is tried once, and a worker
that dies is a lost attempt. What makes a second delivery harmless all the same is that an attempt is taken up once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from server.config import Settings
from server.db import is_postgresql
from server.placer.attend import attend, place_of_this_process
from server.placer.base import CPU_SET, PLACED, Capacity, Delivery, PlacerError, Stage
from server.places import Place, read_cpus, this_host
from server.store import Claim, Store

try:
    from distributed import Client, Future, WorkerPlugin, get_worker
except ImportError as error:
    raise PlacerError(
        f"a Dask cluster needs the package distributed: pip install 'swaprace[cluster]' ({error})"
    ) from error

PLUGIN = "swaprace"
CONNECT_SECONDS = 10.0
CALL_SECONDS = 5.0  # that a worker has to answer; one that does not is not there


class Attendants(WorkerPlugin):
    """In each worker: the attempts that it attends to, and which of them are to end."""

    name = PLUGIN

    def setup(self, worker: Any) -> None:
        """Start with none; Dask calls this in the worker."""
        self._lock = threading.Lock()
        self._closing = False
        self._stopped: set[str] = set()
        self._stores: dict[str, Store] = {}

    def teardown(self, worker: Any) -> None:
        """End them all: the worker closes."""
        self._closing = True

    def stop(self, token: str) -> None:
        """Have an attempt end, also one that has yet to be delivered."""
        self._stopped.add(token)

    def is_stopping(self, token: str) -> bool:
        """True once an attempt is to end."""
        return self._closing or token in self._stopped

    def store_of(self, url: str) -> Store:
        """One store a database, for all tasks of the worker."""
        with self._lock:
            return self._stores.setdefault(url, Store(url))


def deliver(delivery: Delivery) -> bool:
    """The task: attend to an attempt. Runs in a thread of a Dask worker."""
    attendants = cast("Attendants", get_worker().plugins[PLUGIN])
    settings = delivery.settings_there()
    store = attendants.store_of(settings.database_url)
    stopping = partial(attendants.is_stopping, delivery.token)
    place = place_of_this_process(settings)
    return attend(store, settings, delivery.token, place=place, stopping=stopping, outlives=False)


def _describe() -> tuple[str, str | None]:
    """Host of a worker, and the CPUs that its environment names. Runs in the worker."""
    return this_host(), os.environ.get(CPU_SET) or None


def _stop_there(token: str, dask_worker: Any = None) -> None:
    """Runs in the worker, beside the task."""
    plugin = dask_worker.plugins.get(PLUGIN)
    if plugin is not None:
        plugin.stop(token)


def _once_only(dask_scheduler: Any = None) -> None:
    """Have a task whose worker died fail at once. Runs in the scheduler."""
    dask_scheduler.allowed_failures = 0


@dataclass
class _Task:
    """A task, and the worker that it is bound to."""

    future: Future
    worker: str


class DaskPlacer:
    """One run at a time on the CPUs of each worker's place; workers that share CPUs of a host take turns."""

    name = "dask"

    def __init__(self, address: str, settings: Settings, on_end: Callable[[], None] = lambda: None) -> None:
        """Connect to the scheduler at `address`. Raises PlacerError."""
        self._settings = settings
        self._on_end = on_end
        self._needs_this_host = not is_postgresql(settings.database_url)
        self._places: dict[str, Place] = {}  # by the address of the worker
        self._tasks: dict[str, _Task] = {}
        try:
            self.client = Client(address, timeout=CONNECT_SECONDS, name="swaprace", set_as_default=False)
            self.client.run_on_scheduler(_once_only)
            self.client.register_plugin(Attendants())
            self._look()
        except (OSError, ValueError, TimeoutError) as error:
            raise PlacerError(f"cannot reach a Dask scheduler at {address}: {error}") from error

    def capacity(self) -> Capacity:
        """The places of the workers, free where no worker of overlapping CPUs has a task of ours."""
        self._look()
        busy = {task.worker for task in self._tasks.values()}
        taken = [self._places[worker] for worker in busy if worker in self._places]
        free: list[Place | None] = []
        for worker, place in self._places.items():
            if worker not in busy and not any(place.overlaps(other) for other in taken):
                taken.append(place)
                free.append(place)
        return Capacity(list(dict.fromkeys(self._places.values())), free)

    def _look(self) -> None:
        """Note which workers there are, and ask new ones where they are."""
        try:
            workers = set(self._workers())
            new = sorted(workers - self._places.keys())
            answers = self.client.run(_describe, workers=new, on_error="ignore") if new else {}
        except (OSError, TimeoutError) as error:
            raise PlacerError(f"the Dask scheduler does not answer: {error}") from error
        self._places = {worker: place for worker, place in self._places.items() if worker in workers}
        for worker, (host, cpus) in answers.items():
            if self._needs_this_host and host != this_host():
                raise PlacerError(
                    f"the Dask worker {worker} is on {host}, where the database, a file of {this_host()}, cannot be "
                    "written: take workers of this host, or give postgresql://user@host/database"
                )
            self._places[worker] = Place(host, None if cpus is None else read_cpus(cpus))

    def _workers(self) -> dict[str, Any]:
        """The workers that the scheduler knows, by address. Raises OSError when the scheduler is gone."""
        workers: dict[str, Any] | None = self.client.scheduler_info().get("workers")
        if workers is None or self.client.status != "running":
            raise OSError(f"the connection is {self.client.status}")
        return workers

    def submit(self, claim: Claim) -> None:
        """Give the attempt to a worker of its place, and to no other."""
        busy = {task.worker for task in self._tasks.values()}
        free = [worker for worker, place in self._places.items() if place == claim.place and worker not in busy]
        if not free:
            raise PlacerError(f"no Dask worker is left at {claim.place}")
        future = self.client.submit(
            deliver,
            Delivery.of(claim, self._settings),
            key=f"swaprace-{claim.run_id}-{claim.token}",
            workers=[free[0]],
            allow_other_workers=False,
            retries=0,
            pure=False,
        )
        self._tasks[claim.token] = _Task(future, free[0])
        future.add_done_callback(lambda _future: self._on_end())

    def cancel(self, token: str) -> None:
        """Tell the worker, beside the task that it is busy with."""
        task = self._tasks.get(token)
        if task is not None:
            with suppress(OSError, TimeoutError, ValueError):  # the worker is gone: its task fails
                self.client.run(_stop_there, token, workers=[task.worker], on_error="ignore")

    def poll(self, token: str) -> Stage:
        """What Dask says of the task."""
        task = self._tasks.get(token)
        if task is None:
            return Stage("ended", "placement_unknown", "The Dask client knows of no such task.")
        status = task.future.status
        if status == "pending":
            return PLACED
        del self._tasks[token]
        if status == "finished":
            return Stage("ended", "not_attended", "The Dask task ended and left no outcome.")
        if status == "error":
            error = task.future.exception(timeout=CALL_SECONDS)
            name = type(error).__name__
            code = "engine_worker_died" if name == "KilledWorker" else "attendant_failed"
            return Stage("ended", code, f"Its Dask task at {task.worker} failed: {name}: {error}")
        return Stage("ended", "placement_lost", f"The Dask scheduler has let go of the task ({status}).")

    def close(self) -> None:
        """Disconnect from the scheduler."""
        self.client.close(timeout=CALL_SECONDS)
