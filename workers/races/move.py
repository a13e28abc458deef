"""A page moves to another address of its mm, in memory or swapped out, against all that changes it meanwhile."""

from __future__ import annotations

from workers.races.race import DROPPED, QUICK_DISK, SHARED_OUT, STORED, SWAPPED_OUT, Race

PAIR = {"pages": 2}

MOVE: tuple[Race, ...] = (
    Race(
        "move_fault",
        "A swapped-out page moves while a thread faults it.",
        SWAPPED_OUT,
        ((("move", 0, 0, 1),), (("load", 0, 0),)),
        PAIR,
    ),
    Race(
        "move_fault_target",
        "A page moves to where a thread touches a new page.",
        SWAPPED_OUT,
        ((("move", 0, 0, 1),), (("store", 0, 1),)),
        PAIR,
    ),
    Race(
        "move_present_fault",
        "A page in memory moves while a thread stores to it.",
        STORED,
        ((("move", 0, 0, 1),), (("store", 0, 0),)),
        PAIR,
    ),
    Race(
        "move_swap_out_again",
        "A page moves while it is swapped in, stored to, and swapped out again to the slot that it had.",
        SWAPPED_OUT,
        ((("move", 0, 0, 1), ("load", 0, 1)), (("store", 0, 0), ("pageout", 0, 0))),
        PAIR,
    ),
    Race(
        "move_reclaim",
        "A page in memory moves while it is reclaimed, and is loaded where it went.",
        STORED,
        ((("move", 0, 0, 1), ("load", 0, 1)), (("reclaim", 1),)),
        PAIR,
    ),
    Race(
        "move_willneed",
        "A swapped-out page moves while it is read ahead.",
        SWAPPED_OUT,
        ((("move", 0, 0, 1), ("load", 0, 1)), (("willneed", 0, 0),)),
        PAIR,
    ),
    Race(
        "move_move",
        "Two threads move one swapped-out page to two places.",
        SWAPPED_OUT,
        ((("move", 0, 0, 1),), (("move", 0, 0, 2),)),
        {"pages": 3},
    ),
    Race(
        "move_back",
        "A page moves there and back while another thread loads it at both places.",
        SWAPPED_OUT,
        ((("move", 0, 0, 1), ("move", 0, 1, 0)), (("load", 0, 0), ("load", 0, 1))),
        PAIR,
    ),
    Race(
        "move_dontneed",
        "A swapped-out page moves while it is dropped, and its slot gets another page.",
        (*SWAPPED_OUT, ("mm_init", 1), ("store", 1, 0)),
        ((("move", 0, 0, 1),), (("dontneed", 0, 0), ("pageout", 1, 0))),
        PAIR,
    ),
    Race(
        "move_free",
        "A page moves while it is given up, and reclaim comes.",
        STORED,
        ((("move", 0, 0, 1), ("load", 0, 1)), (("free", 0, 0), ("reclaim", 1))),
        PAIR,
    ),
    Race(
        "move_cold",
        "A page moves while it is said to be cold.",
        STORED,
        ((("move", 0, 0, 1),), (("cold", 0, 0, 2),)),
        PAIR,
    ),
    Race(
        "move_fork_exit",
        "A page moves while the only other process that has it exits.",
        SHARED_OUT,
        ((("move", 0, 0, 1), ("move", 0, 0, 1)), (("exit", 1),)),
        PAIR,
    ),
    Race(
        "move_fork",
        "A page moves while its process forks, which may have to share it first.",
        STORED,
        ((("move", 0, 0, 1),), (("fork", 0, 1), ("load", 1, 0))),
        PAIR,
    ),
    Race(
        "move_slot_changes_hands",
        "A page moves while its slot becomes that of another page and then its own again.",
        (*SWAPPED_OUT, *DROPPED, ("mm_init", 1), ("store", 1, 0)),
        (
            (("move", 0, 0, 1),),
            (("store", 0, 0), ("pageout", 1, 0)),
            (("load", 1, 0), ("pageout", 0, 0)),
        ),
        {"pages": 2, "device": QUICK_DISK, "memcg": {"limit_pages": 48, "swap_limit_pages": 2}},
    ),
)
