"""Eight dispatchers at one queue: every run is claimed once, and no two are measured at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from server.processes import myself
from server.store import Store
from workers.spec import RunSpec

THREADS = 8
RUNS = 40


def test_no_run_is_claimed_twice(store: Store) -> None:
    for _ in range(RUNS):
        store.create_run(RunSpec(protocol="swap_cache"))
    start = threading.Barrier(THREADS)
    alone = threading.Lock()

    def drain(_thread: int) -> list[int]:
        mine = []
        start.wait()
        while store.is_waiting():
            claim = store.claim(myself(), lease_seconds=15)
            if claim is None:
                continue
            assert alone.acquire(blocking=False), "two runs are live at once"
            mine.append(claim.run_id)
            assert store.mark_running(claim.token)
            alone.release()
            assert store.give_up(claim.token, "failed", "code", "Sentence.")
        return mine

    with ThreadPoolExecutor(THREADS) as pool:
        claimed = [run_id for mine in pool.map(drain, range(THREADS)) for run_id in mine]
    assert sorted(claimed) == list(range(1, RUNS + 1))
    assert all(run.attempts == 1 for run in store.list_runs(limit=RUNS)[0])


def test_of_many_claims_at_once_one_wins(store: Store) -> None:
    for _ in range(THREADS):
        store.create_run(RunSpec(protocol="swap_cache"))
    start = threading.Barrier(THREADS)

    def claim(_thread: int) -> bool:
        start.wait()
        return store.claim(myself(), lease_seconds=15) is not None

    with ThreadPoolExecutor(THREADS) as pool:
        assert sum(pool.map(claim, range(THREADS))) == 1
