"""munmap, and mmap in place of what is there, against all that looks at the same pages."""

from __future__ import annotations

from typing import Any

from workers.races.race import (
    DROPPED,
    MOVED_AWAY,
    QUICK_DISK,
    SHARED,
    SHARED_OUT,
    STORED,
    SWAPPED_OUT,
    TWO_CHILDREN,
    Race,
    Step,
)

PAIR: dict[str, Any] = {"pages": 2}
BOTH_OUT: tuple[Step, ...] = (("mm_init", 0), ("store", 0, 0, 2), ("pageout", 0, 0, 2))

MMAP: tuple[Race, ...] = (
    Race(
        "munmap_fault",
        "One thread unmaps a swapped-out page that another one faults.",
        SWAPPED_OUT,
        ((("munmap", 0, 0),), (("store", 0, 0),)),
    ),
    Race(
        "munmap_fault_disk",
        "A page is unmapped while a fault waits, without mmap_lock, for its folio to be read from a disk.",
        (*SWAPPED_OUT, *DROPPED),
        ((("munmap", 0, 0),), (("load", 0, 0),), (("load", 0, 0),)),
        {"device": QUICK_DISK},
    ),
    Race(
        "munmap_fault_neighbour",
        "A page is unmapped while its neighbour is faulted, whose readahead may not go beyond its VMA.",
        (*BOTH_OUT, *DROPPED),
        ((("munmap", 0, 1),), (("load", 0, 0),)),
        {**PAIR, "device": QUICK_DISK},
    ),
    Race(
        "munmap_first_touch",
        "A page is unmapped while a thread touches it for the first time.",
        (("mm_init", 0),),
        ((("munmap", 0, 0),), (("store", 0, 0),)),
    ),
    Race(
        "munmap_reclaim",
        "A page in memory is unmapped while it is swapped out.",
        STORED,
        ((("munmap", 0, 0),), (("reclaim", 1),)),
    ),
    Race(
        "munmap_pageout",
        "A page in memory is unmapped while another thread advises to page it out.",
        STORED,
        ((("munmap", 0, 0),), (("pageout", 0, 0),)),
    ),
    Race(
        "munmap_swapoff",
        "A swapped-out page is unmapped while its device is swapped off, which no longer finds its VMA.",
        SWAPPED_OUT,
        ((("munmap", 0, 0),), (("swapoff",),)),
    ),
    Race(
        "munmap_swapoff_swapon",
        "A page is unmapped and mapped anew while its device goes and comes back.",
        SWAPPED_OUT,
        ((("munmap", 0, 0), ("mmap", 0, 0), ("store", 0, 0)), (("swapoff",), ("swapon",))),
    ),
    Race(
        "munmap_fork",
        "A swapped-out page is unmapped while its process forks, and the child uses it if it has it.",
        SWAPPED_OUT,
        ((("munmap", 0, 0),), (("fork", 0, 1), ("store", 1, 0))),
    ),
    Race(
        "munmap_fork_shared",
        "A process unmaps a swapped-out page while another one that shares it forks.",
        SHARED_OUT,
        ((("munmap", 0, 0),), (("fork", 1, 2),)),
        {"mms": 3},
    ),
    Race(
        "munmap_exit",
        "A process unmaps a swapped-out page while the other one that shares it exits.",
        SHARED_OUT,
        ((("munmap", 0, 0),), (("exit", 1),)),
    ),
    Race(
        "munmap_exit_own",
        "A thread unmaps a swapped-out page while its process exits.",
        SWAPPED_OUT,
        ((("munmap", 0, 0),), (("exit", 0), ("mm_init", 0), ("store", 0, 0))),
    ),
    Race(
        "munmap_cow",
        "A process unmaps a page that another one stores to and a third CPU reclaims.",
        SHARED,
        ((("munmap", 0, 0),), (("store", 1, 0),), (("reclaim", 1),)),
    ),
    Race(
        "munmap_munmap",
        "Two threads unmap one swapped-out page.",
        SWAPPED_OUT,
        ((("munmap", 0, 0),), (("munmap", 0, 0),)),
    ),
    Race(
        "munmap_dontneed",
        "A swapped-out page is unmapped while it is dropped.",
        SWAPPED_OUT,
        ((("munmap", 0, 0),), (("dontneed", 0, 0),)),
    ),
    Race(
        "munmap_willneed",
        "A swapped-out page is unmapped while it is read ahead.",
        SWAPPED_OUT,
        ((("munmap", 0, 0),), (("willneed", 0, 0),)),
    ),
    Race(
        "munmap_cold",
        "One of two pages is unmapped while both are said to be cold.",
        (("mm_init", 0), ("store", 0, 0, 2)),
        ((("munmap", 0, 0),), (("cold", 0, 0, 2),)),
        PAIR,
    ),
    Race(
        "munmap_free_reclaim",
        "A page is unmapped while it is given up, and reclaim comes.",
        STORED,
        ((("munmap", 0, 0),), (("free", 0, 0),), (("reclaim", 1),)),
    ),
    Race(
        "munmap_move",
        "A swapped-out page moves while the place it comes from is unmapped.",
        SWAPPED_OUT,
        ((("munmap", 0, 0),), (("move", 0, 0, 1), ("load", 0, 1))),
        PAIR,
    ),
    Race(
        "munmap_move_target",
        "A swapped-out page moves while the place it goes to is unmapped.",
        SWAPPED_OUT,
        ((("munmap", 0, 1),), (("move", 0, 0, 1), ("load", 0, 0))),
        PAIR,
    ),
    Race(
        "munmap_zswap_writeback",
        "A page that zswap keeps is unmapped while zswap writes it back.",
        (*SWAPPED_OUT, ("zswap_writeback", 1)),
        ((("munmap", 0, 0),), (("zswap_writeback", 1),)),
        {"zswap": {"pool_pages": 4, "store_ns": 0, "load_ns": 0}},
    ),
    Race(
        "munmap_memcg_offline",
        "A swapped-out page is unmapped while the memcg that it was charged to is removed.",
        (*MOVED_AWAY, ("pageout", 0, 0)),
        ((("munmap", 0, 0),), (("memcg_offline", 2),)),
        TWO_CHILDREN,
    ),
    Race(
        "mmap_fault",
        "A swapped-out page is replaced by an empty one while a thread faults it.",
        SWAPPED_OUT,
        ((("mmap", 0, 0), ("load", 0, 0)), (("store", 0, 0),)),
    ),
    Race(
        "mmap_munmap_fault",
        "One thread unmaps a page, another one maps it anew and stores to it, and a third one looks.",
        SWAPPED_OUT,
        ((("munmap", 0, 0),), (("mmap", 0, 0), ("store", 0, 0)), (("load", 0, 0),)),
    ),
    Race(
        "mmap_reclaim",
        "A page in memory is replaced by an empty one, which is stored to, while it is swapped out.",
        STORED,
        ((("mmap", 0, 0), ("store", 0, 0)), (("reclaim", 1),)),
    ),
    Race(
        "mmap_swapoff",
        "A swapped-out page is replaced by an empty one while its device is swapped off.",
        SWAPPED_OUT,
        ((("mmap", 0, 0),), (("swapoff",),)),
    ),
    Race(
        "mmap_fork",
        "A swapped-out page is replaced by an empty one while its process forks, and the child stores to what it has.",
        SWAPPED_OUT,
        ((("mmap", 0, 0),), (("fork", 0, 1), ("store", 1, 0))),
    ),
    Race(
        "munmap_large_fault",
        "A page of a swapped-out folio is faulted while its other page is unmapped.",
        BOTH_OUT,
        ((("munmap", 0, 1),), (("store", 0, 0),)),
        {**PAIR, "anon_orders": (1,)},
    ),
    Race(
        "munmap_large_reclaim",
        "A folio of two pages is swapped out while one of them is unmapped.",
        (("mm_init", 0), ("store", 0, 0, 2)),
        ((("munmap", 0, 1),), (("pageout", 0, 0, 2),)),
        {**PAIR, "anon_orders": (1,)},
    ),
    Race(
        "munmap_large_first_touch",
        "A page is touched whose folio would reach where another thread unmaps.",
        (("mm_init", 0),),
        ((("munmap", 0, 1),), (("store", 0, 0),)),
        {**PAIR, "anon_orders": (1,)},
    ),
)
