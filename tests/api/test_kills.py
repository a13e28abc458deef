"""SIGKILL of a random process of a run, supervisor or worker, at a random moment: every row ends, nothing is left.

`make torture` makes 200 runs of it, the suite a few.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter
from contextlib import suppress

import pytest

from server.config import Settings
from server.dispatcher import Dispatcher, Notice
from server.processes import session_members
from server.states import TERMINAL
from server.store import Store
from workers.spec import RunSpec

SECONDS = 0.3
MOMENT_SECONDS = 0.8  # from before the gate opens until after the outcome


class Killer:
    """Kills one process of every run that starts, a random time after its start."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._timers: list[threading.Timer] = []

    def __call__(self, notice: Notice) -> None:
        """Aim at the run that a notice says has started."""
        if notice.kind == "started" and notice.event is not None and notice.event.pid is not None:
            timer = threading.Timer(self._random.random() * MOMENT_SECONDS, self._kill, [notice.event.pid])
            self._timers.append(timer)
            timer.start()

    def _kill(self, session: int) -> None:
        members = session_members(session)
        if members:
            with suppress(ProcessLookupError):  # it has ended by itself since
                os.kill(self._random.choice(members), signal.SIGKILL)

    def wait(self) -> None:
        """Return when nothing is aimed at any more."""
        for timer in self._timers:
            timer.join()


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize("runs", [6, pytest.param(200, marks=[pytest.mark.torture, pytest.mark.timeout(1200)])])
def test_whatever_is_killed_every_run_ends(settings: Settings, store: Store, runs: int) -> None:
    for seed in range(runs):
        store.create_run(RunSpec(protocol=("has_cache", "swap_cache")[seed % 2], seconds=SECONDS, seed=seed))
    killer = Killer(seed=runs)
    try:
        Dispatcher(store, settings, on_notice=killer).run_until(lambda: not store.is_waiting())
    finally:
        killer.wait()
    ended = [store.get_run(run_id + 1) for run_id in range(runs)]
    assert {run.state for run in ended} <= TERMINAL, Counter(run.state for run in ended)
    assert {run.state for run in ended} <= {"succeeded", "lost"}, [run.state_reason for run in ended]
    assert store.live_attempts() == []
    assert store.count_unfinished() == {"queued": 0, "live": 0}
    for run in ended:
        pid = store.attempts_of(run.id)[-1].supervisor_pid
        assert pid is not None
        assert session_members(pid) == []
    if not store.db.is_postgresql:  # which checks its keys itself
        with store.db.read() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
