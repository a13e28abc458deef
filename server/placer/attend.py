"""To attend to one attempt where an engine has delivered it: take it up, watch its supervisor, record its end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from server.config import Settings
from server.placer.patience import patient
from server.places import Place, here, read_cpus, usable_cpus
from server.processes import myself
from server.store import Claim, Refusal, Store
from server.watch import Notice, Watch

ASK_AGAIN_SECONDS = 0.1  # for CPUs that another run is live on


def place_of_this_process(settings: Settings) -> Place:
    """This host, with the CPUs that SWAPRACE_CPU_SET names here; with all of them where it is not set."""
    return here(read_cpus(settings.cpu_set) if settings.cpu_set else None)


def attend(
    store: Store,
    settings: Settings,
    token: str,
    *,
    place: Place,
    stopping: Callable[[], bool] = lambda: False,
    on_notice: Callable[[Notice], None] = lambda _notice: None,
    outlives: bool = True,
) -> bool:
    """Attend to the attempt to its end; False when it is not to be taken up, as a second delivery is not.

    `stopping` turns true when the attempt is to end as cancelled. A database that is away is waited for. A supervisor
    that `outlives` this process is watched on by the next dispatcher of the host; another dies with it.
    """
    store = patient(store, stopping, stop_seconds=settings.kill_after_seconds)
    claim = _taken_up(store, settings, token, place, stopping)
    if claim is None:
        return False
    with _on_cpus(claim.place):
        Watch(store, settings, claim, on_notice, outlives=outlives).watch(stopping)
    return True


def _taken_up(store: Store, settings: Settings, token: str, place: Place, stopping: Callable[[], bool]) -> Claim | None:
    """The claim once its place is free; None when there is nothing to attend to."""
    while True:
        if stopping():
            store.give_up(token, "cancelled", "cancelled", "Cancelled before it was started.")
            return None
        answer = store.begin(token, myself(), place, lease_seconds=settings.lease_seconds)
        if isinstance(answer, Claim):
            return answer
        if answer is Refusal.OVER:
            return None
        time.sleep(ASK_AGAIN_SECONDS)


@contextmanager
def _on_cpus(place: Place | None) -> Iterator[None]:
    """Keep this thread, and with it what it starts, on the CPUs of `place`."""
    if place is None or place.cpus is None:
        yield
        return
    before = usable_cpus()
    os.sched_setaffinity(0, place.cpus)  # 0: the calling thread; children inherit it
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
