"""zswap and the zero-filled map: what stands in for a slot's block, and goes to the device behind everybody's back."""

from __future__ import annotations

from typing import Any

from workers.races.race import QUICK_DISK, SHARED_OUT, STORED, SWAPPED_OUT, V1, Race, Step

POOL: dict[str, Any] = {"pool_pages": 4, "store_ns": 0, "load_ns": 0}
ON_ZRAM: dict[str, Any] = {"zswap": POOL}
ON_DISK: dict[str, Any] = {"zswap": POOL, "device": QUICK_DISK}
WRITE_BACK: Step = ("zswap_writeback", 1)
# The page of mm 0 is kept in zswap, and has had its second chance: the next look at its entry writes it back.
DUE: tuple[Step, ...] = (*SWAPPED_OUT, WRITE_BACK)
SHARED_DUE: tuple[Step, ...] = (*SHARED_OUT, WRITE_BACK)
# Two pages in zswap; when both are dropped, the slot of the first goes to the next page, and the entry of the second.
TWO_DUE: tuple[Step, ...] = (("mm_init", 0), ("store", 0, 0, 2), ("pageout", 0, 0, 2), ("zswap_writeback", 2))
# Two pages in zswap, one in memory, and no room for more: whoever faults charges, and so reclaims and shrinks.
FULL_DUE: tuple[Step, ...] = (
    *(("mm_init", 0), ("store", 0, 0, 3), ("pageout", 0, 0, 2), ("zswap_writeback", 2), ("memory_max", 1)),
)
FULL: dict[str, Any] = {"pages": 3, "device": QUICK_DISK, "readahead_pages": 1}
UNTOUCHED: tuple[Step, ...] = (("mm_init", 0), ("load", 0, 0), ("pageout", 0, 0))

ZSWAP: tuple[Race, ...] = (
    Race(
        "zswap_writeback_fault",
        "zswap writes back the page of a zram that is faulted.",
        DUE,
        ((WRITE_BACK,), (("load", 0, 0),)),
        ON_ZRAM,
    ),
    Race(
        "zswap_writeback_fault_disk",
        "zswap writes back the page of a disk that is faulted and stored to.",
        DUE,
        ((WRITE_BACK,), (("store", 0, 0),)),
        ON_DISK,
    ),
    Race(
        "zswap_writeback_fault_v1",
        "zswap writes back a page that is faulted, under cgroup v1.",
        DUE,
        ((WRITE_BACK,), (("load", 0, 0),)),
        {**ON_DISK, **V1},
    ),
    Race(
        "zswap_writeback_reclaim",
        "zswap writes back a page that is faulted, stored to and swapped out again meanwhile.",
        DUE,
        ((WRITE_BACK,), (("store", 0, 0), ("pageout", 0, 0))),
        ON_DISK,
    ),
    Race(
        "zswap_writeback_recycled",
        "zswap writes back a page whose slot is freed meanwhile and gets another page, which is read again.",
        (*TWO_DUE, ("mm_init", 1), ("store", 1, 0)),
        ((WRITE_BACK,), (("dontneed", 0, 0, 2), ("pageout", 1, 0), ("load", 1, 0))),
        {**ON_DISK, "pages": 2},
    ),
    Race(
        "zswap_writeback_exit",
        "zswap writes back a page whose last process exits.",
        DUE,
        ((WRITE_BACK,), (("exit", 0),)),
        ON_DISK,
    ),
    Race(
        "zswap_writeback_shared",
        "zswap writes back a page that one of its processes faults and the other one gives up.",
        SHARED_DUE,
        ((WRITE_BACK,), (("load", 0, 0),), (("exit", 1),)),
        ON_ZRAM,
    ),
    Race(
        "zswap_writeback_twice",
        "Two CPUs write back what zswap keeps.",
        DUE,
        ((WRITE_BACK,), (WRITE_BACK, ("load", 0, 0))),
        ON_DISK,
    ),
    Race(
        "zswap_writeback_swapoff",
        "zswap writes back a page whose device is swapped off.",
        DUE,
        ((WRITE_BACK,), (("swapoff",),)),
        ON_ZRAM,
    ),
    Race(
        "zswap_store_swapoff",
        "A page goes to zswap while its device is swapped off.",
        STORED,
        ((("pageout", 0, 0),), (("swapoff",),)),
        ON_ZRAM,
    ),
    Race(
        "zswap_recursion",
        "A thread faults a page in zswap, and its charge shrinks zswap down to its own slot, as another CPU does.",
        FULL_DUE,
        ((("load", 0, 0),), (WRITE_BACK,)),
        {**FULL, "zswap": {**POOL, "shrinker": True}},
    ),
    Race(
        "zswap_full",
        "Two CPUs swap out a page each, and zswap has room for one: the other, and what is there, go to the device.",
        (*STORED, ("mm_init", 1), ("store", 1, 0)),
        ((("pageout", 0, 0), ("load", 0, 0)), (("pageout", 1, 0), ("load", 1, 0))),
        {"zswap": {**POOL, "pool_pages": 1, "accept_percent": 0}, "device": QUICK_DISK},
    ),
    Race(
        "zswap_no_writeback",
        "Two CPUs swap out a page each, zswap has room for one, and nothing may go to the device.",
        (*STORED, ("mm_init", 1), ("store", 1, 0)),
        ((("pageout", 0, 0), ("load", 0, 0)), (("pageout", 1, 0), ("load", 1, 0))),
        {"zswap": {**POOL, "pool_pages": 1, "no_writeback": True}},
    ),
    Race(
        "zswap_faults_move",
        "A page in zswap is faulted while its entry is moved to another address, and faulted there.",
        SWAPPED_OUT,
        ((("load", 0, 0),), (("move", 0, 0, 1), ("load", 0, 1))),
        {**ON_ZRAM, "pages": 2},
    ),
    Race(
        "zero_page_swap_out_again",
        "A page of zeroes is faulted, and stored to and swapped out again.",
        UNTOUCHED,
        ((("load", 0, 0),), (("store", 0, 0), ("pageout", 0, 0))),
    ),
    Race(
        "zero_page_changes_hands",
        "A page of zeroes is faulted while its slot is freed and gets a page that is none.",
        (*UNTOUCHED, ("mm_init", 1), ("store", 1, 0)),
        ((("load", 0, 0),), (("dontneed", 0, 0), ("pageout", 1, 0), ("load", 1, 0))),
        {"device": QUICK_DISK},
    ),
)
