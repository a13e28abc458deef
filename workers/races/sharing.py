"""Processes that share a page: fork, exit, copy on write."""

from __future__ import annotations

from workers.races.race import SHARED, SHARED_OUT, STORED, Race

SHARING: tuple[Race, ...] = (
    Race(
        "shared_slot_faults",
        "Two processes that share a swapped-out page fault it at the same time, for reading and for writing.",
        SHARED_OUT,
        ((("load", 0, 0),), (("store", 1, 0),)),
    ),
    Race(
        "fork_fault",
        "A process forks while another one that shares its swapped-out page faults it.",
        SHARED_OUT,
        ((("fork", 0, 2),), (("store", 1, 0),)),
        {"mms": 3},
    ),
    Race(
        "fork_reclaim",
        "A process forks while its page is swapped out.",
        STORED,
        ((("fork", 0, 1),), (("reclaim", 1),)),
    ),
    Race(
        "exit_fault",
        "A process exits while another one that shares its swapped-out page faults it.",
        SHARED_OUT,
        ((("exit", 0),), (("load", 1, 0),)),
    ),
    Race(
        "cow_reclaim",
        "A store copies a shared page while reclaim swaps it out.",
        SHARED,
        ((("store", 0, 0),), (("reclaim", 1),)),
    ),
    Race(
        "exit_write_error",
        "A process gives back the entry of a cached slot while the page is swapped out again, and the write fails.",
        (*SHARED, ("inject", "device_error", 1_000_000), ("reclaim", 1), ("load", 0, 0)),
        ((("exit", 1),), (("pageout", 0, 0),)),
    ),
    Race(
        "exit_exit",
        "Two processes that share a swapped-out page exit at the same time.",
        SHARED_OUT,
        ((("exit", 0),), (("exit", 1),)),
    ),
    Race(
        "exit_fork",
        "A process exits while another one that shares its swapped-out page forks.",
        SHARED_OUT,
        ((("exit", 0),), (("fork", 1, 2),)),
        {"mms": 3},
    ),
    Race(
        "fork_fork",
        "Two processes that share a swapped-out page fork at the same time.",
        SHARED_OUT,
        ((("fork", 0, 2),), (("fork", 1, 3),)),
        {"mms": 4},
    ),
    Race(
        "exit_store",
        "A process exits while another one stores to the page that both have in memory.",
        SHARED,
        ((("exit", 0),), (("store", 1, 0),)),
    ),
    Race(
        "cow_cow",
        "Two processes store to a page that both have in memory.",
        SHARED,
        ((("store", 0, 0),), (("store", 1, 0),)),
    ),
)
