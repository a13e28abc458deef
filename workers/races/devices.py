"""Disks, whose completions come late and whose reads bring neighbours; several devices; discards; tables waited for."""

from __future__ import annotations

from workers.races.race import DROPPED, QUICK_DISK, SMALL, STORED, SWAPPED_OUT, TWO_CHILDREN, Race

EQUAL_DISK = {**QUICK_DISK, "priority": 1}
QUICK_ZRAM = {"kind": "zram", "read_ns": 0, "write_ns": 0, "priority": 1}
TWO_ZRAMS = {"device": QUICK_ZRAM, "more_devices": (QUICK_ZRAM,)}  # of one priority: they take turns
DISCARDING = {**QUICK_DISK, "discard": True, "discard_ns": 0}

DEVICES: tuple[Race, ...] = (
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
        {"device": QUICK_DISK, **TWO_CHILDREN},
    ),
    Race(
        "neighbour_swapoff",
        "A fault reads a page ahead that lies on another device, which is swapped off.",
        (
            *(("mm_init", 0), ("store", 0, 0, 8), ("pageout", 0, 0, 8)),
            *(("reclaim", 8), ("reclaim", 8), ("reclaim", 8), ("reclaim", 8), ("load", 0, 5)),
        ),
        ((("load", 0, 6),), (("swapoff", 1),)),
        {"pages": 8, "readahead_pages": 2, "device": EQUAL_DISK, "more_devices": (EQUAL_DISK,), "folios": 24},
    ),
    Race(
        "allocations_on_two_devices",
        "Two pages are swapped out at the same time to two devices that take turns.",
        (("mm_init", 0), ("store", 0, 0, 2)),
        ((("pageout", 0, 0),), (("pageout", 0, 1),)),
        {"pages": 2, **TWO_ZRAMS},
    ),
    Race(
        "swapoff_reclaim_two_devices",
        "A page is swapped out while the device that would take it is swapped off: the other one takes it.",
        STORED,
        ((("pageout", 0, 0), ("load", 0, 0)), (("swapoff", 0),)),
        TWO_ZRAMS,
    ),
    Race(
        "swapoff_to_the_other_device",
        "A page comes back from a device that goes, and is swapped out again to the one that stays.",
        SWAPPED_OUT,
        ((("store", 0, 0), ("pageout", 0, 0)), (("swapoff", 0), ("swapon", 0))),
        TWO_ZRAMS,
    ),
    Race(
        "swapoff_of_two_devices",
        "Two devices are swapped off at the same time while a page is swapped out.",
        STORED,
        ((("pageout", 0, 0),), (("swapoff", 0),), (("swapoff", 1),)),
        TWO_ZRAMS,
    ),
    Race(
        "device_turns_full",
        "One thread takes the last slot of a device while another one gives a slot of it back.",
        (("mm_init", 0), ("store", 0, 0, 15), ("pageout", 0, 0, 14)),
        ((("pageout", 0, 14),), (("dontneed", 0, 0),)),
        {"pages": 15, "folios": 24, "more_devices": (SMALL["device"],)},
    ),
    Race(
        "table_is_waited_for",
        "Two pages are swapped out to the last free cluster, whose table is not to be had without sleeping.",
        (("mm_init", 0), ("store", 0, 0, 9), ("pageout", 0, 0, 7), ("inject", "table_alloc", 500_000)),
        ((("pageout", 0, 7),), (("pageout", 0, 8),)),
        {"pages": 9, "folios": 24},
    ),
    Race(
        "table_wait_swapoff",
        "A page is swapped out to a free cluster whose table is waited for, while the device is swapped off.",
        (("mm_init", 0), ("store", 0, 0, 8), ("pageout", 0, 0, 7), ("inject", "table_alloc", 500_000)),
        ((("pageout", 0, 7),), (("swapoff",),)),
        {"pages": 8, "folios": 24},
    ),
    Race(
        "discard_allocation",
        "The last slots of a cluster are freed and its blocks discarded, while a page needs one of them.",
        (
            *(("mm_init", 0), ("store", 0, 0, 16), ("pageout", 0, 0, 15)),
            *(("reclaim", 15), ("reclaim", 15), ("reclaim", 15), ("reclaim", 15)),
        ),
        ((("dontneed", 0, 0, 8),), (("pageout", 0, 15),)),
        {"pages": 16, "folios": 32, "device": DISCARDING, "readahead_pages": 1},
    ),
    Race(
        "discard_swapoff",
        "A cluster waits for its discard while the device is swapped off.",
        (*SWAPPED_OUT, *DROPPED),
        ((("dontneed", 0, 0),), (("swapoff",),)),
        {"device": DISCARDING, "readahead_pages": 1},
    ),
)
