"""Files of tmpfs: pages that go from the page cache to swap and back."""

from __future__ import annotations

from typing import Any

from workers.races.race import QUICK_DISK, V1, Race, Step

FILE: dict[str, Any] = {"shmem": {"inodes": 1, "pages": 1}}
WRITTEN: tuple[Step, ...] = (("shmem_write", 0, 0),)
WRITTEN_OUT: tuple[Step, ...] = (*WRITTEN, ("reclaim", 1))
# On a disk a page leaves the swap cache in the round after its write has ended.
ON_DISK: dict[str, Any] = {"shmem": {"inodes": 1, "pages": 3}, "device": QUICK_DISK, "readahead_pages": 2}
OUT_ON_DISK: tuple[Step, ...] = (("shmem_write", 0, 0, 3), ("reclaim", 3), ("reclaim", 3), ("reclaim", 3))

SHMEM: tuple[Race, ...] = (
    Race(
        "shmem_read_read",
        "Two programs read a page of a file that lies in swap.",
        WRITTEN_OUT,
        ((("shmem_read", 0, 0),), (("shmem_read", 0, 0),)),
        FILE,
    ),
    Race(
        "shmem_read_write",
        "A program writes a page of a file that lies in swap while another one reads it.",
        WRITTEN_OUT,
        ((("shmem_read", 0, 0),), (("shmem_write", 0, 0),)),
        FILE,
    ),
    Race(
        "shmem_read_truncate",
        "A file is truncated while a page of it is brought back from swap.",
        WRITTEN_OUT,
        ((("shmem_read", 0, 0),), (("shmem_truncate", 0, 0),)),
        FILE,
    ),
    Race(
        "shmem_read_writeout",
        "A page of a file is read while it is brought back and written out once more.",
        WRITTEN_OUT,
        ((("shmem_read", 0, 0),), (("shmem_write", 0, 0), ("reclaim", 1))),
        FILE,
    ),
    Race(
        "shmem_write_writeout",
        "A program writes a page of a file while reclaim moves it to swap.",
        WRITTEN,
        ((("shmem_write", 0, 0),), (("reclaim", 1),)),
        FILE,
    ),
    Race(
        "shmem_truncate_writeout",
        "A file is truncated while reclaim moves a page of it to swap.",
        WRITTEN,
        ((("shmem_truncate", 0, 0),), (("reclaim", 1),)),
        FILE,
    ),
    Race(
        "shmem_truncate_truncate",
        "A page of a file that lies in swap is truncated by two programs, one of which writes it anew.",
        WRITTEN_OUT,
        ((("shmem_truncate", 0, 0), ("shmem_write", 0, 0)), (("shmem_truncate", 0, 0),)),
        FILE,
    ),
    Race(
        "shmem_write_hole",
        "Two programs write the same hole of a file.",
        (),
        ((("shmem_write", 0, 0),), (("shmem_write", 0, 0),)),
        FILE,
    ),
    Race(
        "shmem_swapoff_read",
        "A page of a file is read while its device is swapped off.",
        WRITTEN_OUT,
        ((("shmem_read", 0, 0),), (("swapoff",),)),
        FILE,
    ),
    Race(
        "shmem_swapoff_write",
        "A page of a file is written and moved to swap again while the device goes and comes back.",
        WRITTEN_OUT,
        ((("shmem_write", 0, 0), ("reclaim", 1)), (("swapoff",), ("swapon",))),
        FILE,
    ),
    Race(
        "shmem_swapoff_writeout",
        "Reclaim moves the first page of a file to swap while the device is swapped off.",
        WRITTEN,
        ((("reclaim", 1),), (("swapoff",),)),
        FILE,
    ),
    Race(
        "shmem_swapoff_truncate",
        "A file whose page lies in swap is truncated while the device is swapped off.",
        WRITTEN_OUT,
        ((("shmem_truncate", 0, 0),), (("swapoff",),)),
        FILE,
    ),
    Race(
        "shmem_disk_reads",
        "Two programs read neighbouring pages of a file from a disk: each reads the other's ahead.",
        (*OUT_ON_DISK, ("shmem_read", 0, 0)),
        ((("shmem_read", 0, 1),), (("shmem_read", 0, 2),)),
        ON_DISK,
    ),
    Race(
        "shmem_disk_writeout",
        "A page of a file is read back while it is under writeback to a disk.",
        WRITTEN,
        ((("reclaim", 1),), (("shmem_read", 0, 0), ("shmem_write", 0, 0))),
        {**ON_DISK, "shmem": {"inodes": 1, "pages": 1}},
    ),
    Race(
        "shmem_readahead_dontneed",
        "A read of a file reads a process's page ahead while the process drops it.",
        (
            *(("shmem_write", 0, 0, 2), ("mm_init", 0), ("store", 0, 0)),
            *(("reclaim", 3), ("reclaim", 3), ("reclaim", 3), ("shmem_read", 0, 0)),
        ),
        ((("shmem_read", 0, 1),), (("dontneed", 0, 0),)),
        ON_DISK,
    ),
    Race(
        "shmem_read_errors",
        "Two programs read a page of a file that the device cannot read, and one truncates it then.",
        (*WRITTEN_OUT, ("inject", "device_error", 500_000)),
        ((("shmem_read", 0, 0),), (("shmem_read", 0, 0), ("shmem_truncate", 0, 0))),
        FILE,
    ),
    Race(
        "shmem_failed_charge",
        "Two programs read a page of a file that lies in swap, and charges fail.",
        (*WRITTEN_OUT, ("inject", "charge", 500_000)),
        ((("shmem_read", 0, 0),), (("shmem_read", 0, 0),)),
        FILE,
    ),
    Race(
        "shmem_limit",
        "A program writes a page of a file while another one reads one, in a full memcg: each reclaims the other's.",
        (("shmem_write", 0, 0, 3),),
        ((("shmem_write", 0, 0),), (("shmem_read", 0, 1),)),
        {"shmem": {"inodes": 1, "pages": 3}, "memcg": {"limit_pages": 2}},
    ),
    Race(
        "shmem_writeout_v1",
        "A page of a file is read while reclaim moves it to swap once more, under cgroup v1.",
        WRITTEN_OUT,
        ((("shmem_read", 0, 0),), (("shmem_read", 0, 0), ("reclaim", 1))),
        {**FILE, **V1},
    ),
    Race(
        "shmem_swap_full",
        "Two programs write pages of a file and two are moved to swap, where one has no room.",
        (("shmem_write", 0, 0, 2), ("swap_max", 1)),
        ((("reclaim", 1), ("shmem_read", 0, 0)), (("reclaim", 1), ("shmem_write", 0, 1))),
        {"shmem": {"inodes": 1, "pages": 2}},
    ),
    Race(
        "shmem_refused_truncate",
        "A file is truncated while reclaim takes its page back, for which neither zswap nor the device is to be had.",
        (("shmem_write", 0, 0), ("reclaim", 1), ("shmem_write", 0, 1)),
        ((("shmem_truncate", 0, 1),), (("reclaim", 1),)),
        {"shmem": {"inodes": 1, "pages": 2}, "zswap": {"pool_pages": 1, "no_writeback": True}},
    ),
    Race(
        "shmem_zswap_read",
        "Two programs read a page of a file that zswap keeps while a third one truncates it.",
        WRITTEN_OUT,
        ((("shmem_read", 0, 0),), (("shmem_read", 0, 0),), (("shmem_truncate", 0, 0),)),
        {**FILE, "zswap": {"pool_pages": 2}},
    ),
)
