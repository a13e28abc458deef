"""Advice of a program against faults and reclaim."""

from __future__ import annotations

from workers.races.race import DROPPED, QUICK_DISK, SHARED, SHARED_OUT, STORED, SWAPPED_OUT, Race

MADVISE: tuple[Race, ...] = (
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
        "dontneed_dontneed",
        "Two threads drop one swapped-out page.",
        SWAPPED_OUT,
        ((("dontneed", 0, 0),), (("dontneed", 0, 0),)),
    ),
    Race(
        "dontneed_exit",
        "A process drops a swapped-out page while another one that shares it exits.",
        SHARED_OUT,
        ((("dontneed", 0, 0),), (("exit", 1),)),
    ),
    Race(
        "dontneed_fork",
        "A process drops a swapped-out page while another one that shares it forks.",
        SHARED_OUT,
        ((("dontneed", 0, 0),), (("fork", 1, 2),)),
        {"mms": 3},
    ),
    Race(
        "cold_fault",
        "A page is said to be cold while a thread swaps it in.",
        SWAPPED_OUT,
        ((("cold", 0, 0),), (("store", 0, 0),)),
    ),
    Race(
        "cold_reclaim",
        "A page is said to be cold while it is reclaimed because of a limit.",
        (("mm_init", 0), ("store", 0, 0, 2)),
        ((("cold", 0, 0, 2),), (("store", 0, 2),)),
        {"pages": 3, "memcg": {"limit_pages": 2}},
    ),
    Race(
        "cold_exit",
        "A page is said to be cold by one of its processes while the other one exits.",
        SHARED,
        ((("cold", 0, 0),), (("exit", 1),)),
    ),
    Race(
        "cold_fork",
        "A page is said to be cold by a process while another one that shares it forks.",
        SHARED,
        ((("cold", 0, 0),), (("fork", 1, 2),)),
        {"mms": 3},
    ),
    Race(
        "willneed_fault",
        "A page is read ahead on advice while a thread faults it.",
        SWAPPED_OUT,
        ((("willneed", 0, 0),), (("load", 0, 0),)),
    ),
    Race(
        "willneed_store",
        "A page is read ahead while a thread stores to it, swaps it out again, and frees its slot.",
        SWAPPED_OUT,
        ((("willneed", 0, 0),), (("store", 0, 0), ("pageout", 0, 0), ("dontneed", 0, 0))),
    ),
    Race(
        "willneed_willneed",
        "Two threads have one page read ahead.",
        SWAPPED_OUT,
        ((("willneed", 0, 0),), (("willneed", 0, 0),)),
    ),
    Race(
        "willneed_reclaim",
        "A page is read ahead, and leaves memory before anybody has mapped it.",
        SWAPPED_OUT,
        ((("willneed", 0, 0),), (("reclaim", 1), ("reclaim", 1))),
    ),
    Race(
        "willneed_dontneed",
        "A page is read ahead while its slot is freed.",
        SWAPPED_OUT,
        ((("willneed", 0, 0),), (("dontneed", 0, 0),)),
    ),
    Race(
        "willneed_exit",
        "A page is read ahead for a process while the other one that shares it exits.",
        SHARED_OUT,
        ((("willneed", 0, 0), ("load", 0, 0)), (("exit", 1),)),
    ),
    Race(
        "willneed_fork",
        "A page is read ahead for a process while another one that shares it forks.",
        SHARED_OUT,
        ((("willneed", 0, 0),), (("fork", 1, 2),)),
        {"mms": 3},
    ),
    Race(
        "willneed_free",
        "A page is read ahead while it is given up.",
        SWAPPED_OUT,
        ((("willneed", 0, 0),), (("free", 0, 0),)),
    ),
    Race(
        "willneed_disk",
        "A page of a disk is read ahead, whose completion comes late, while it is faulted.",
        (*SWAPPED_OUT, *DROPPED),
        ((("willneed", 0, 0),), (("load", 0, 0), ("store", 0, 0))),
        {"device": QUICK_DISK},
    ),
    Race(
        "free_fault",
        "A swapped-out page is given up while a thread stores to it.",
        SWAPPED_OUT,
        ((("free", 0, 0),), (("store", 0, 0),)),
    ),
    Race(
        "free_store_reclaim",
        "A page that was given up is stored to while reclaim comes for it.",
        (*STORED, ("free", 0, 0)),
        ((("store", 0, 0), ("load", 0, 0)), (("reclaim", 1),)),
    ),
    Race(
        "free_reclaim",
        "A page is given up while it is swapped out.",
        STORED,
        ((("free", 0, 0), ("load", 0, 0)), (("reclaim", 1),)),
    ),
    Race(
        "free_free",
        "Two threads give one page up, and it is reclaimed.",
        STORED,
        ((("free", 0, 0), ("reclaim", 1)), (("free", 0, 0), ("store", 0, 0))),
    ),
    Race(
        "free_dontneed",
        "A page is given up while it is dropped.",
        SWAPPED_OUT,
        ((("free", 0, 0),), (("dontneed", 0, 0),)),
    ),
    Race(
        "free_fork",
        "A page that was given up is reclaimed while its process forks, and stored to by the child.",
        (*STORED, ("free", 0, 0)),
        ((("fork", 0, 1), ("store", 1, 0), ("load", 0, 0)), (("reclaim", 1),)),
    ),
    Race(
        "free_child",
        "A child gives up a page that its parent has loaded from swap, and reclaim comes.",
        (*SWAPPED_OUT, ("load", 0, 0), ("fork", 0, 1)),
        ((("free", 1, 0),), (("reclaim", 1), ("load", 0, 0))),
    ),
    Race(
        "free_exit",
        "A process gives up a page while the other one that shares it exits, and reclaim comes.",
        SHARED_OUT,
        ((("load", 0, 0), ("free", 0, 0)), (("exit", 1),), (("reclaim", 1),)),
    ),
    Race(
        "free_cow",
        "A process gives up a page that another one stores to, and a third CPU reclaims.",
        SHARED,
        ((("free", 0, 0),), (("store", 1, 0),), (("reclaim", 1),)),
    ),
)
