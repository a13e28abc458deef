"""The races that exploration plays: small machines, a few operations on each CPU, and one question each.

Plain data, so that the service can list them without the compiled core. A step is what workers/workloads/script.pyx
takes. `before` is done by CPU 0 alone; the state that it leaves is the one that every schedule begins with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Step = tuple[str | int, ...]


@dataclass(frozen=True)
class Race:
    """`race[i]` is what CPU i does. `fields` of workers.spec.RunSpec make the machine; what they leave out is SMALL."""

    name: str
    sentence: str
    before: tuple[Step, ...]
    race: tuple[tuple[Step, ...], ...]
    fields: dict[str, Any] = field(default_factory=dict)


# A machine where every path is near: two clusters, one page unless a race says otherwise, a zram that takes no time.
SMALL: dict[str, Any] = {
    "mms": 2,
    "pages": 1,
    "folios": 16,
    "slots": 16,
    "cluster_slots": 8,
    "device": {"kind": "zram", "read_ns": 0, "write_ns": 0},
    "memcg": {"limit_pages": 48},
    "lockdep": True,
}
SWAPPED_OUT: tuple[Step, ...] = (("mm_init", 0), ("store", 0, 0), ("pageout", 0, 0))
STORED: tuple[Step, ...] = (("mm_init", 0), ("store", 0, 0))
SHARED_OUT: tuple[Step, ...] = (*STORED, ("fork", 0, 1), ("reclaim", 1))
# mm 0 in memcg 2 has stored a page and moved to memcg 3.
MOVED_AWAY: tuple[Step, ...] = (*STORED, ("attach", 0, 3))
# The page of mm 0 in the first cluster, which mm 1 fills, that of mm 2 in the second; 62 references each.
COUNTS_AT_62: tuple[Step, ...] = (
    *SWAPPED_OUT,
    *(("mm_init", 1), ("store", 1, 0, 7), ("pageout", 1, 0, 7)),
    *(("mm_init", 2), ("store", 2, 0), ("pageout", 2, 0)),
    *(("fork", 0, child) for child in range(3, 64)),
    *(("fork", 2, child) for child in range(64, 125)),
)
V1 = {"memcg": {"version": 1, "limit_pages": 48}}
# A disk whose completions come whenever its CPU is chosen; the pages that were paged out to it, gone from the cache.
QUICK_DISK = {"kind": "disk", "read_ns": 0, "write_ns": 0}
DROPPED: tuple[Step, ...] = (("reclaim", 3), ("reclaim", 3), ("reclaim", 3))

RACES = {
    race.name: race
    for race in (
        Race(
            "fault_fault",
            "Two threads fault one slot.",
            SWAPPED_OUT,
            ((("load", 0, 0),), (("load", 0, 0),)),
        ),
        Race(
            "fault_fault_reclaim",
            "Two threads fault one slot while it is reclaimed.",
            SWAPPED_OUT,
            ((("load", 0, 0),), (("load", 0, 0),), (("pageout", 0, 0),)),
        ),
        Race(
            "fault_swap_out_again",
            "A thread faults a page that another one faults, stores to and swaps out again.",
            SWAPPED_OUT,
            ((("load", 0, 0),), (("store", 0, 0), ("pageout", 0, 0))),
        ),
        Race(
            "memcg_exit",
            "Reclaim takes a page out of the cache while its last owner exits (cgroup v1).",
            (("mm_init", 0), ("store", 0, 0)),
            ((("reclaim", 1),), (("exit", 0),)),
            V1,
        ),
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
            "dontneed_fault",
            "One thread drops a swapped-out page that another one faults.",
            SWAPPED_OUT,
            ((("dontneed", 0, 0),), (("store", 0, 0),)),
        ),
        Race(
            "dontneed_reclaim",
            "One thread drops a page that another one swaps out.",
            STORED,
            ((("dontneed", 0, 0),), (("pageout", 0, 0),)),
        ),
        Race(
            "cow_reclaim",
            "A store copies a shared page while reclaim swaps it out.",
            (*STORED, ("fork", 0, 1)),
            ((("store", 0, 0),), (("reclaim", 1),)),
        ),
        Race(
            "disk_faults",
            "Two threads fault neighbouring slots of a disk: each reads the other's ahead, and completions come late.",
            (("mm_init", 0), ("store", 0, 0, 3), ("pageout", 0, 0, 3), *DROPPED, ("load", 0, 0)),
            ((("load", 0, 1),), (("load", 0, 2),)),
            {"pages": 3, "device": QUICK_DISK, "readahead_pages": 2},
        ),
        Race(
            "disk_fault_reclaim",
            "A page of a disk is faulted while it is under writeback, and while it is taken out of the swap cache.",
            STORED,
            ((("pageout", 0, 0), ("reclaim", 3)), (("load", 0, 0), ("load", 0, 0), ("store", 0, 0))),
            {"device": QUICK_DISK},
        ),
        Race(
            "disk_fault",
            "A thread faults a page of a disk while another one touches a new page.",
            (*SWAPPED_OUT, *DROPPED, ("mm_init", 1)),
            ((("load", 0, 0),), (("store", 1, 0),)),
            {"device": QUICK_DISK},
        ),
        Race(
            "slot_changes_hands",
            "A page is faulted while its slot is freed and gets the page of another memcg.",
            (*SWAPPED_OUT, *DROPPED, ("mm_init", 1), ("store", 1, 0)),
            ((("load", 0, 0),), (("dontneed", 0, 0), ("pageout", 1, 0), ("reclaim", 1))),
            {"device": QUICK_DISK, "memcg": {"limit_pages": 48, "children": 2}},
        ),
        Race(
            "memcg_limit_fault",
            "Two threads fault in a memcg that is full, so that each charge reclaims a page of the other one.",
            (("mm_init", 0), ("store", 0, 0, 3)),
            ((("load", 0, 0),), (("load", 0, 1),)),
            {"pages": 3, "memcg": {"limit_pages": 2}},
        ),
        Race(
            "failed_charge",
            "Two threads fault one slot, and charges fail.",
            (*SWAPPED_OUT, ("inject", "charge", 500_000)),
            ((("load", 0, 0),), (("load", 0, 0),)),
        ),
        Race(
            "failed_allocation",
            "Two threads fault one slot, and there is not always a folio to read into.",
            (*SWAPPED_OUT, ("inject", "folio_alloc", 500_000)),
            ((("load", 0, 0),), (("load", 0, 0),)),
        ),
        Race(
            "fault_reclaim_v1",
            "Two threads fault a page, and one swaps it out again, under cgroup v1.",
            SWAPPED_OUT,
            ((("store", 0, 0),), (("load", 0, 0), ("pageout", 0, 0))),
            V1,
        ),
        Race(
            "shared_slot_exit_v1",
            "Two processes that share a swapped-out page exit and fault it, under cgroup v1.",
            SHARED_OUT,
            ((("exit", 0),), (("load", 1, 0), ("exit", 1))),
            V1,
        ),
        Race(
            "memcg_offline_reclaim",
            "A memcg is removed while a page that is charged to it is swapped out.",
            MOVED_AWAY,
            ((("memcg_offline", 2),), (("reclaim", 1, 1),)),
            {"memcg": {"limit_pages": 48, "children": 2}},
        ),
        Race(
            "memcg_offline_reclaim_v1",
            "A memcg is removed while a page that is charged to it is swapped out, under cgroup v1.",
            MOVED_AWAY,
            ((("memcg_offline", 2),), (("reclaim", 1, 1),)),
            {"memcg": {"version": 1, "limit_pages": 48, "children": 2}},
        ),
        Race(
            "swapoff_fault",
            "A thread faults a page while its device is swapped off.",
            SWAPPED_OUT,
            ((("load", 0, 0),), (("swapoff",),)),
            {"pages": 2},
        ),
        Race(
            "swapoff_swapon_fault",
            "A page is faulted, and swapped out again, while its device goes and comes back.",
            SWAPPED_OUT,
            ((("store", 0, 0), ("pageout", 0, 0)), (("swapoff",), ("swapon",))),
        ),
        Race(
            "swapoff_reclaim",
            "A page is swapped out while the device is swapped off.",
            STORED,
            ((("pageout", 0, 0),), (("swapoff",),)),
        ),
        Race(
            "swapoff_exit",
            "The last process with an entry of a cached slot exits while the device is swapped off.",
            (*SHARED_OUT, ("load", 0, 0)),
            ((("exit", 1),), (("swapoff",),)),
        ),
        Race(
            "exit_write_error",
            "A process gives back the entry of a cached slot while the page is swapped out again, and the write fails.",
            (
                *STORED,
                ("fork", 0, 1),
                ("inject", "device_error", 1_000_000),
                ("reclaim", 1),
                ("load", 0, 0),
            ),
            ((("exit", 1),), (("pageout", 0, 0),)),
        ),
        Race(
            "counts_carry",
            "Two slots, of two clusters on one page of swap_map, get their 63rd reference at the same time.",
            COUNTS_AT_62,
            ((("fork", 0, 125),), (("fork", 2, 126),)),
            {"mms": 127, "pages": 7, "folios": 32, "slots": 32},
        ),
    )
}
