"""Charges: limits, versions, removal."""

from __future__ import annotations

from workers.races.race import MOVED_AWAY, SHARED_OUT, STORED, SWAPPED_OUT, TWO_CHILDREN, V1, Race

MEMCG: tuple[Race, ...] = (
    Race(
        "memcg_exit",
        "Reclaim takes a page out of the cache while its last owner exits (cgroup v1).",
        STORED,
        ((("reclaim", 1),), (("exit", 0),)),
        V1,
    ),
    Race(
        "memcg_limit_fault",
        "Two threads fault in a memcg that is full, so that each charge reclaims a page of the other one.",
        (("mm_init", 0), ("store", 0, 0, 3)),
        ((("load", 0, 0),), (("load", 0, 1),)),
        {"pages": 3, "memcg": {"limit_pages": 2}},
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
        TWO_CHILDREN,
    ),
    Race(
        "memcg_offline_reclaim_v1",
        "A memcg is removed while a page that is charged to it is swapped out, under cgroup v1.",
        MOVED_AWAY,
        ((("memcg_offline", 2),), (("reclaim", 1, 1),)),
        {"memcg": {"version": 1, "limit_pages": 48, "children": 2}},
    ),
    Race(
        "memcg_offline_fault",
        "A memcg is removed while a page whose slot is charged to it is faulted from another one.",
        (*MOVED_AWAY, ("pageout", 0, 0)),
        ((("memcg_offline", 2),), (("load", 0, 0),)),
        TWO_CHILDREN,
    ),
    Race(
        "memcg_offline_exit",
        "A memcg is removed while the slot that is charged to it is freed.",
        (*MOVED_AWAY, ("pageout", 0, 0)),
        ((("memcg_offline", 2),), (("exit", 0),)),
        TWO_CHILDREN,
    ),
    Race(
        "memcg_offline_willneed",
        "A memcg is removed while a page whose slot is charged to it is read ahead.",
        (*MOVED_AWAY, ("pageout", 0, 0)),
        ((("memcg_offline", 2),), (("willneed", 0, 0), ("load", 0, 0))),
        TWO_CHILDREN,
    ),
    Race(
        "attach_fault",
        "A process moves to another memcg while it faults.",
        SWAPPED_OUT,
        ((("attach", 0, 3),), (("store", 0, 0),)),
        TWO_CHILDREN,
    ),
    Race(
        "attach_fork",
        "A process moves to another memcg while it forks, and its first memcg is removed.",
        STORED,
        ((("attach", 0, 3), ("memcg_offline", 2)), (("fork", 0, 1),)),
        TWO_CHILDREN,
    ),
    Race(
        "limit_falls_fault",
        "The limit of a memcg falls to one page while two pages of it are faulted.",
        (("mm_init", 0), ("store", 0, 0, 2), ("pageout", 0, 0, 2)),
        ((("memory_max", 1), ("reclaim", 1)), (("load", 0, 0, 2),)),
        {"pages": 2},
    ),
)
