"""lockdep: the declared order, inversions told with both stacks, recursion, and sleep under a spinlock."""

from __future__ import annotations

from itertools import pairwise

import pytest

from workers.lockdep import Lockdep

DECLARED = (
    *("swapon_mutex", "mmap_lock", "folio", "anon_vma", "ptl", "mmlist", "percpu_cluster", "cluster", "si", "i_pages"),
    *("lruvec", "wait_queue", "device"),
)


def test_the_declared_order_is_legal() -> None:
    lockdep = Lockdep()
    assert [lockdep.acquire(name) for name in DECLARED[:12]] == [False] * 12
    assert [lockdep.release(name) for name in DECLARED[:12]] == [False] * 12
    assert lockdep.finding() == {}


@pytest.mark.parametrize(("outer", "inner"), [(b, a) for a, b in pairwise(DECLARED)])
def test_two_neighbours_the_other_way_round_are_reported(outer: str, inner: str) -> None:
    lockdep = Lockdep()
    assert not lockdep.acquire(outer)
    assert lockdep.acquire(inner)
    assert lockdep.finding()["kind"] in ("inversion", "sleep under a spinlock")


def test_an_inversion_tells_both_stacks() -> None:
    lockdep = Lockdep()
    lockdep.acquire("folio")
    lockdep.acquire("si")
    assert lockdep.acquire("cluster")
    assert lockdep.finding() == {
        "kind": "inversion",
        "taken": "cluster",
        "against": "si",
        "here": ["folio", "si"],
        "before": ["cluster", "si"],
    }


def test_the_first_finding_stays() -> None:
    lockdep = Lockdep()
    lockdep.acquire("si")
    assert lockdep.acquire("cluster")
    assert lockdep.release("ptl")
    assert lockdep.finding()["against"] == "si"


@pytest.mark.parametrize("spinlock", ["ptl", "i_pages", "cluster", "si", "lruvec", "wait_queue", "device", "mmlist"])
def test_sleep_under_a_spinlock(spinlock: str) -> None:
    lockdep = Lockdep()
    lockdep.acquire(spinlock)
    assert lockdep.sleep()
    finding = lockdep.finding()
    assert (finding["kind"], finding["against"], finding["here"]) == ("sleep under a spinlock", spinlock, [spinlock])


@pytest.mark.parametrize("sleeping", ["folio", "mmap_lock", "anon_vma", "swapon_mutex"])
def test_sleep_under_a_sleeping_lock_is_legal(sleeping: str) -> None:
    lockdep = Lockdep()
    lockdep.acquire(sleeping)
    assert not lockdep.sleep()


def test_a_sleeping_lock_under_a_spinlock() -> None:
    lockdep = Lockdep()
    lockdep.acquire("ptl")
    assert lockdep.acquire("folio")
    assert lockdep.finding()["kind"] == "sleep under a spinlock"


def test_a_trylock_waits_for_nobody() -> None:
    lockdep = Lockdep()
    lockdep.acquire("si")
    assert not lockdep.acquire("cluster", trylock=True)
    assert not lockdep.release("cluster")
    assert lockdep.finding() == {}


def test_recursion() -> None:
    lockdep = Lockdep()
    lockdep.acquire("ptl")
    assert not lockdep.acquire("ptl", nested=True)
    assert lockdep.acquire("ptl")
    assert lockdep.finding()["kind"] == "recursion"


def test_locks_come_back_in_any_order_and_only_once() -> None:
    lockdep = Lockdep()
    lockdep.acquire("folio")
    lockdep.acquire("cluster")
    assert not lockdep.release("folio")
    assert not lockdep.release("cluster")
    assert lockdep.release("cluster")
    assert lockdep.finding()["kind"] == "release of a lock not held"


def test_too_many_locks() -> None:
    lockdep = Lockdep()
    for _ in range(12):
        assert not lockdep.acquire("folio", nested=True)
    assert lockdep.acquire("folio", nested=True)
    assert lockdep.finding()["kind"] == "too many locks held"
