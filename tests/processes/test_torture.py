"""SIGKILL of a random worker or of the supervisor at a random moment: every run comes to an end, and nothing is left.

`make torture` makes 200 runs of it, the suite a dozen. The moment of the kill spans the whole life of a run: start,
formatting, gate, the race itself, laws, the telling of the outcome. A supervisor that was killed itself tells nothing:
that its workers are gone and its segment is swept is the end that is asked for.
"""

from __future__ import annotations

import os
import random
import select
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from shm.segment import entries, start_time, sweep_orphans

SECONDS = 0.4  # of the race; a run takes about twice as long with all that is before and after
LATEST_KILL_MS = 1000
ENDS = {("lost", "worker_died"), ("lost", "core_crashed"), ("succeeded", "completed")}


def ordeal(supervise: Callable[..., Any], children: Callable[[int], list[int]], seed: int) -> str:
    """One run with one kill. How it ended."""
    dice = random.Random(seed)
    supervisor = supervise()
    supervisor.say(
        {
            "protocol": dice.choice(["has_cache", "swap_cache"]),
            "scenario": dice.choice(["thread_fault", "fork_fault", "usemem"]),
            "device": {"kind": dice.choice(["zram", "disk"])},
            "lock": dice.choice(["word", "sem"]),
            "cpus": 3,
            "seconds": SECONDS,
            "seed": seed,
        }
    )
    supervisor.until("started")
    prefix = f"swaprace-{supervisor.pid}-{start_time(supervisor.pid)}-"
    select.poll().poll(dice.randrange(LATEST_KILL_MS))  # the random moment
    family = children(supervisor.pid)
    if dice.random() < 0.2 or not family:
        supervisor.process.kill()
        supervisor.process.wait(30)
        end = "supervisor killed"
    else:
        victim = dice.choice(family)
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            victim = 0  # it has left at this very moment
        killed_ns = time.monotonic_ns()
        outcome = supervisor.outcome()
        assert (outcome.status, outcome.reason_code) in ENDS, outcome.reason
        assert outcome.status != "lost" or time.monotonic_ns() - killed_ns < 1_000_000_000
        assert outcome.status != "lost" or str(victim) in outcome.reason or outcome.reason_code == "core_crashed"
        end = f"{outcome.status} {outcome.reason_code}"
    until_ns = time.monotonic_ns() + 1_000_000_000
    while any(start_time(pid) is not None for pid in family):
        assert time.monotonic_ns() < until_ns, f"workers outlive their supervisor: {children(supervisor.pid)}"
    sweep_orphans()
    assert [name for name in entries() if prefix in name] == []
    return end


@pytest.mark.parametrize("seed", range(12))
def test_a_kill_at_a_random_moment(supervise: Any, children: Any, seed: int) -> None:
    print(ordeal(supervise, children, seed))


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(1000, 1200))
def test_two_hundred_kills_at_random_moments(supervise: Any, children: Any, seed: int) -> None:
    print(ordeal(supervise, children, seed))  # pytest -rP tells how each ended
