"""Files of tmpfs with folios of several pages: entries that go as a whole, are split, or are found in parts."""

from __future__ import annotations

from typing import Any

from workers.races.race import QUICK_DISK, Race, Step

TWO: dict[str, Any] = {"shmem": {"inodes": 1, "pages": 2, "orders": (1,)}}  # one folio of two pages is all of the file
FOUR: dict[str, Any] = {"shmem": {"inodes": 1, "pages": 4, "orders": (2,)}}
ON_DISK: dict[str, Any] = {**TWO, "device": QUICK_DISK, "readahead_pages": 1}
WHOLE: tuple[Step, ...] = (("shmem_write", 0, 0, 2),)
WHOLE_OUT: tuple[Step, ...] = (*WHOLE, ("reclaim", 2))
OUT_ON_DISK: tuple[Step, ...] = (*WHOLE, ("reclaim", 2), ("reclaim", 2))

SHMEM_LARGE: tuple[Race, ...] = (
    Race(
        "shmem_large_writes",
        "Two programs write the two pages of a hole, for which one folio is enough.",
        (),
        ((("shmem_write", 0, 0),), (("shmem_write", 0, 1),)),
        TWO,
    ),
    Race(
        "shmem_large_reads",
        "Two programs read the two pages of a folio that was moved to swap as a whole.",
        WHOLE_OUT,
        ((("shmem_read", 0, 0),), (("shmem_read", 0, 1),)),
        TWO,
    ),
    Race(
        "shmem_large_read_writeout",
        "A page of a folio in swap is read while the folio is brought back and moved to swap once more.",
        WHOLE_OUT,
        ((("shmem_read", 0, 0),), (("shmem_write", 0, 1), ("reclaim", 2))),
        TWO,
    ),
    Race(
        "shmem_large_write_writeout",
        "A page of a folio is written while reclaim moves the folio to swap.",
        WHOLE,
        ((("shmem_write", 0, 1),), (("reclaim", 2),)),
        TWO,
    ),
    Race(
        "shmem_large_hole_read",
        "A page of a folio in swap is made a hole while the other one is read.",
        WHOLE_OUT,
        ((("shmem_truncate", 0, 0),), (("shmem_read", 0, 1),)),
        TWO,
    ),
    Race(
        "shmem_large_hole_write",
        "A page of a folio in memory is made a hole while the other one is written.",
        WHOLE,
        ((("shmem_truncate", 0, 0),), (("shmem_write", 0, 1),)),
        TWO,
    ),
    Race(
        "shmem_large_hole_writeout",
        "A page of a folio is made a hole while reclaim moves the folio to swap.",
        WHOLE,
        ((("shmem_truncate", 0, 1),), (("reclaim", 2),)),
        TWO,
    ),
    Race(
        "shmem_large_holes",
        "Two programs make holes of the pages of a folio in swap, one of them of both.",
        WHOLE_OUT,
        ((("shmem_truncate", 0, 0, 2),), (("shmem_truncate", 0, 1), ("shmem_write", 0, 1))),
        TWO,
    ),
    Race(
        "shmem_large_truncate_split",
        "A file is truncated while a read of one page splits the entry of two that the file has in swap on a disk.",
        OUT_ON_DISK,
        ((("shmem_truncate", 0, 0, 2),), (("shmem_read", 0, 1),)),
        ON_DISK,
    ),
    Race(
        "shmem_large_split_writeout",
        "A read of one page splits an entry while the file is truncated, written and moved to its slots on a disk.",
        OUT_ON_DISK,
        ((("shmem_read", 0, 0),), (("shmem_truncate", 0, 0, 2), ("shmem_write", 0, 0, 2), ("reclaim", 2))),
        ON_DISK,
    ),
    Race(
        "shmem_large_failed_charge",
        "Two programs read the pages of a folio in swap, and charges fail: a single page will do.",
        (*WHOLE_OUT, ("inject", "charge", 300_000)),
        ((("shmem_read", 0, 0),), (("shmem_read", 0, 1),)),
        TWO,
    ),
    Race(
        "shmem_large_failed_alloc",
        "A page of a folio in swap is read, for which there may be no folio of two pages, while the file is truncated.",
        (*WHOLE_OUT, ("inject", "folio_alloc", 300_000)),
        ((("shmem_read", 0, 1),), (("shmem_truncate", 0, 0, 2),)),
        TWO,
    ),
    Race(
        "shmem_large_page_writeout",
        "A page of a folio that zswap keeps is read alone while the file is truncated, written and moved to its slots.",
        WHOLE_OUT,
        ((("shmem_read", 0, 0),), (("shmem_truncate", 0, 0, 2), ("shmem_write", 0, 0, 2), ("reclaim", 2))),
        {**TWO, "zswap": {"pool_pages": 4}},
    ),
    Race(
        "shmem_large_errors",
        "Two programs read the pages of a folio that the device cannot read, and one makes a hole of a page then.",
        (*WHOLE_OUT, ("inject", "device_error", 500_000)),
        ((("shmem_read", 0, 0),), (("shmem_read", 0, 1), ("shmem_truncate", 0, 1))),
        TWO,
    ),
    Race(
        "shmem_large_swap_full",
        "Swap has no room for a folio of four pages as a whole: it is split, and a page of it read meanwhile.",
        (("shmem_write", 0, 0, 4), ("swap_max", 2)),
        ((("reclaim", 4),), (("shmem_read", 0, 2), ("shmem_truncate", 0, 3))),
        FOUR,
    ),
    Race(
        "shmem_large_swapoff_read",
        "A page of a folio in swap is read while its device is swapped off.",
        WHOLE_OUT,
        ((("shmem_read", 0, 1),), (("swapoff",),)),
        TWO,
    ),
    Race(
        "shmem_large_swapoff_hole",
        "A page of a folio in swap is made a hole while its device is swapped off.",
        WHOLE_OUT,
        ((("shmem_truncate", 0, 0),), (("swapoff",),)),
        TWO,
    ),
    Race(
        "shmem_large_swapoff_writeout",
        "Reclaim moves a folio of two pages to swap while the device is swapped off.",
        WHOLE,
        ((("reclaim", 2),), (("swapoff",),)),
        TWO,
    ),
    Race(
        "shmem_large_v1",
        "Two programs use the pages of a folio, and one moves it to swap again, under cgroup v1.",
        WHOLE_OUT,
        ((("shmem_write", 0, 0),), (("shmem_read", 0, 1), ("reclaim", 2))),
        {**TWO, "memcg": {"version": 1, "limit_pages": 48}},
    ),
    Race(
        "shmem_large_zswap",
        "Two programs read the pages of a folio that zswap keeps, which gives them one by one.",
        WHOLE_OUT,
        ((("shmem_read", 0, 0),), (("shmem_read", 0, 1),)),
        {**TWO, "zswap": {"pool_pages": 4}},
    ),
)
