"""Counts of references that outgrow their digit."""

from __future__ import annotations

from workers.races.race import SWAPPED_OUT, Race, Step

# The page of mm 0 in the first cluster, which mm 1 fills, that of mm 2 in the second; 62 references each.
COUNTS_AT_62: tuple[Step, ...] = (
    *SWAPPED_OUT,
    *(("mm_init", 1), ("store", 1, 0, 7), ("pageout", 1, 0, 7)),
    *(("mm_init", 2), ("store", 2, 0), ("pageout", 2, 0)),
    *(("fork", 0, child) for child in range(3, 64)),
    *(("fork", 2, child) for child in range(64, 125)),
)

COUNTS: tuple[Race, ...] = (
    Race(
        "counts_carry",
        "Two slots, of two clusters on one page of swap_map, get their 63rd reference at the same time.",
        COUNTS_AT_62,
        ((("fork", 0, 125),), (("fork", 2, 126),)),
        {"mms": 127, "pages": 7, "folios": 32, "slots": 32},
    ),
)
