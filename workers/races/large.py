"""Races of folios of several pages: swapped out and in as a whole, mapped and dropped in parts, split."""

from __future__ import annotations

from typing import Any

from workers.races.race import V1, Race, Step

TWO: dict[str, Any] = {"pages": 2, "anon_orders": (1,)}  # one folio of two pages is all of the address space
TWO_V1: dict[str, Any] = {**TWO, **V1}
WHOLE: tuple[Step, ...] = (("mm_init", 0), ("store", 0, 0, 2))
WHOLE_OUT: tuple[Step, ...] = (*WHOLE, ("pageout", 0, 0, 2))
THREE: dict[str, Any] = {**TWO, "pages": 3}  # and a page to move to

# All slots are in use: two by a folio of mm 0, the others by pages of mm 1, whose first two are a folio of zeroes.
FULL: dict[str, Any] = {"pages": 15, "anon_orders": (1,)}
FULL_OUT: tuple[Step, ...] = (*WHOLE_OUT, ("mm_init", 1), ("store", 1, 2, 15), ("pageout", 1, 2, 15), ("load", 1, 0))

LARGE: tuple[Race, ...] = (
    Race(
        "large_faults",
        "Two threads fault the two pages of a folio that was swapped out as a whole.",
        WHOLE_OUT,
        ((("load", 0, 0),), (("store", 0, 1),)),
        TWO,
    ),
    Race(
        "large_first_touch",
        "Two threads touch the two pages of an empty range, for which one folio is enough.",
        (("mm_init", 0),),
        ((("store", 0, 0),), (("store", 0, 1),)),
        TWO,
    ),
    Race(
        "large_fault_willneed",
        "A thread faults a page of a swapped-out folio while its other page is read ahead.",
        WHOLE_OUT,
        ((("load", 0, 0),), (("willneed", 0, 1),)),
        TWO,
    ),
    Race(
        "large_fault_reused",
        "A thread faults two pages as one folio while the second one's slot becomes that of a page of zeroes.",
        FULL_OUT,
        ((("load", 0, 0),), (("dontneed", 0, 1), ("pageout", 1, 0))),
        FULL,
    ),
    Race(
        "large_fault_zap",
        "A thread faults a page of a swapped-out folio while its other page is dropped.",
        WHOLE_OUT,
        ((("store", 0, 0),), (("dontneed", 0, 1),)),
        TWO,
    ),
    Race(
        "large_reclaim_zap",
        "A folio of two pages is swapped out while one of them is dropped.",
        WHOLE,
        ((("pageout", 0, 0, 2),), (("dontneed", 0, 1),)),
        TWO,
    ),
    Race(
        "large_reclaim_fault",
        "A folio of two pages is swapped out, and faulted in between.",
        WHOLE,
        ((("pageout", 0, 0, 2),), (("store", 0, 1), ("load", 0, 0))),
        TWO,
    ),
    Race(
        "large_split_fault",
        "A folio is split, for one of its pages is to go, while the other one is stored to.",
        WHOLE,
        ((("pageout", 0, 0),), (("store", 0, 1),)),
        TWO,
    ),
    Race(
        "large_split_cached",
        "A folio that is being swapped out is mapped again, and split in the swap cache.",
        WHOLE,
        ((("pageout", 0, 0, 2),), (("load", 0, 0), ("pageout", 0, 0), ("pageout", 0, 1))),
        TWO,
    ),
    Race(
        "large_split_fork",
        "A folio is split while its process forks.",
        WHOLE,
        ((("pageout", 0, 0),), (("fork", 0, 1),)),
        TWO,
    ),
    Race(
        "large_split_exit",
        "A folio of which a part is left is reclaimed, which splits it, while its process exits.",
        (*WHOLE, ("dontneed", 0, 1)),
        ((("reclaim", 2),), (("exit", 0),)),
        TWO,
    ),
    Race(
        "large_shared_faults",
        "Two processes that share a swapped-out folio fault different pages of it.",
        (*WHOLE, ("fork", 0, 1), ("reclaim", 2)),
        ((("load", 0, 0),), (("store", 1, 1),)),
        TWO,
    ),
    Race(
        "large_cow_reclaim",
        "A store copies one page of a shared folio while reclaim swaps the folio out.",
        (*WHOLE, ("fork", 0, 1)),
        ((("store", 0, 1),), (("reclaim", 2),)),
        TWO,
    ),
    Race(
        "large_fork_reclaim",
        "A process forks while its folio of two pages is swapped out.",
        WHOLE,
        ((("fork", 0, 1),), (("reclaim", 2),)),
        TWO,
    ),
    Race(
        "large_exit_fault",
        "A process exits while another one that shares its swapped-out folio faults a page of it.",
        (*WHOLE, ("fork", 0, 1), ("reclaim", 2)),
        ((("exit", 0),), (("load", 1, 1),)),
        TWO,
    ),
    Race(
        "large_swap_full",
        "Swap has no room for a folio as a whole: it is split, and swapped out page by page, while it is faulted.",
        (("mm_init", 0), ("store", 0, 0, 16), ("pageout", 0, 0, 12)),
        ((("pageout", 0, 12, 16),), (("load", 0, 13),)),
        {"pages": 16, "folios": 24, "anon_orders": (2,)},
    ),
    Race(
        "large_swapoff",
        "A thread faults a page of a swapped-out folio while its device is swapped off.",
        WHOLE_OUT,
        ((("load", 0, 0),), (("swapoff",),)),
        TWO,
    ),
    Race(
        "large_reclaim_swapoff",
        "A folio of two pages is swapped out while the device is swapped off.",
        WHOLE,
        ((("pageout", 0, 0, 2),), (("swapoff",),)),
        TWO,
    ),
    Race(
        "large_fault_reclaim_v1",
        "Two threads fault the pages of a folio, and one swaps it out again, under cgroup v1.",
        WHOLE_OUT,
        ((("store", 0, 0),), (("load", 0, 1), ("pageout", 0, 0, 2))),
        TWO_V1,
    ),
    Race(
        "large_free_reclaim",
        "A folio of two pages is given up while it is swapped out.",
        WHOLE,
        ((("free", 0, 0, 2), ("load", 0, 0)), (("reclaim", 2),)),
        TWO,
    ),
    Race(
        "large_free_store",
        "A page of a folio that was given up is stored to while reclaim comes for it.",
        (*WHOLE, ("free", 0, 0, 2)),
        ((("store", 0, 1), ("load", 0, 0, 2)), (("reclaim", 2),)),
        TWO,
    ),
    Race(
        "large_free_fault",
        "A folio that two processes share is given up by one as the other faults and leaves it.",
        (*WHOLE, ("fork", 0, 1), ("reclaim", 2)),
        ((("load", 0, 0), ("free", 0, 0, 2), ("reclaim", 2)), (("load", 1, 1), ("exit", 1))),
        TWO,
    ),
    Race(
        "large_free_fork",
        "A folio is given up while its process forks, and reclaim comes.",
        WHOLE,
        ((("free", 0, 0, 2), ("reclaim", 2)), (("fork", 0, 1), ("load", 1, 1))),
        TWO,
    ),
    Race(
        "large_free_split",
        "A folio is given up while it is split, for one of its pages is to go.",
        WHOLE,
        ((("free", 0, 0, 2), ("load", 0, 0, 2)), (("pageout", 0, 1),)),
        TWO,
    ),
    Race(
        "large_cold_reclaim",
        "A folio of two pages is said to be cold while it is reclaimed, and a part of it dropped.",
        WHOLE,
        ((("cold", 0, 0, 2),), (("reclaim", 2),), (("dontneed", 0, 1),)),
        TWO,
    ),
    Race(
        "large_move_fault",
        "A page of a folio moves, which splits it, while both its pages are stored to.",
        WHOLE,
        ((("move", 0, 1, 2), ("load", 0, 2)), (("store", 0, 0, 2),)),
        THREE,
    ),
    Race(
        "large_move_reclaim",
        "A page of a folio moves while the folio is swapped out.",
        WHOLE,
        ((("move", 0, 1, 2), ("load", 0, 2)), (("reclaim", 2),)),
        THREE,
    ),
    Race(
        "large_move_move",
        "Two threads move the two pages of a folio to one place.",
        WHOLE,
        ((("move", 0, 0, 2), ("load", 0, 0)), (("move", 0, 1, 2), ("load", 0, 1))),
        THREE,
    ),
    Race(
        "large_move_free",
        "A page of a folio moves while the folio is given up, and reclaim comes.",
        WHOLE,
        ((("move", 0, 1, 2), ("load", 0, 2)), (("free", 0, 0, 2), ("reclaim", 2))),
        THREE,
    ),
    Race(
        "large_failed_charge",
        "Two threads fault the pages of a folio, and charges fail: a smaller folio will do.",
        (*WHOLE_OUT, ("inject", "charge", 300_000)),
        ((("load", 0, 0),), (("load", 0, 1),)),
        TWO,
    ),
)
