"""A device that goes while it is used."""

from __future__ import annotations

from workers.races.race import MOVED_AWAY, SHARED_OUT, STORED, SWAPPED_OUT, TWO_CHILDREN, Race

SWAPOFF: tuple[Race, ...] = (
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
        "swapoff_fork",
        "A process that shares a swapped-out page forks while the device is swapped off.",
        SHARED_OUT,
        ((("fork", 0, 2),), (("swapoff",),)),
        {"mms": 3},
    ),
    Race(
        "swapoff_dontneed",
        "A swapped-out page is dropped while the device is swapped off.",
        SWAPPED_OUT,
        ((("dontneed", 0, 0),), (("swapoff",),)),
    ),
    Race(
        "swapoff_willneed",
        "A swapped-out page is read ahead on advice while the device is swapped off.",
        SWAPPED_OUT,
        ((("willneed", 0, 0),), (("swapoff",),)),
    ),
    Race(
        "swapoff_free",
        "A swapped-out page is given up while the device is swapped off.",
        SWAPPED_OUT,
        ((("free", 0, 0),), (("swapoff",),)),
    ),
    Race(
        "swapoff_cold",
        "A page is said to be cold, and swapped out, while the device is swapped off.",
        SWAPPED_OUT,
        ((("cold", 0, 0), ("pageout", 0, 0)), (("swapoff",),)),
    ),
    Race(
        "swapoff_move",
        "A swapped-out page moves to where swapoff has looked already, or will look.",
        (("mm_init", 0), ("store", 0, 1), ("pageout", 0, 1)),
        ((("move", 0, 1, 0),), (("swapoff",),)),
        {"pages": 2},
    ),
    Race(
        "swapoff_swapoff",
        "Two CPUs swap one device off.",
        SWAPPED_OUT,
        ((("swapoff",),), (("swapoff",),)),
    ),
    Race(
        "swapoff_memcg_offline",
        "A memcg is removed while the device that holds its page is swapped off.",
        (*MOVED_AWAY, ("pageout", 0, 0)),
        ((("memcg_offline", 2),), (("swapoff",),)),
        TWO_CHILDREN,
    ),
)
