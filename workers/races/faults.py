"""Threads that fault one slot, with reclaim, failures and disks."""

from __future__ import annotations

from workers.races.race import STORED, SWAPPED_OUT, Race

FAULTS: tuple[Race, ...] = (
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
        "store_store",
        "Two threads store to one swapped-out page.",
        SWAPPED_OUT,
        ((("store", 0, 0),), (("store", 0, 0),)),
    ),
    Race(
        "first_touch",
        "Two threads touch a page that nobody has touched before.",
        (("mm_init", 0),),
        ((("load", 0, 0),), (("store", 0, 0),)),
    ),
    Race(
        "fault_reclaim",
        "A thread loads and stores a page that is reclaimed at the same time.",
        STORED,
        ((("load", 0, 0), ("store", 0, 0)), (("reclaim", 1),)),
    ),
    Race(
        "reclaim_reclaim",
        "Two CPUs swap out pages of one mm, one by advice and one by memory.reclaim.",
        (("mm_init", 0), ("store", 0, 0, 2)),
        ((("pageout", 0, 0, 2),), (("reclaim", 2),)),
        {"pages": 2},
    ),
)
