"""Counts that are kept twice, or apart."""

from __future__ import annotations

from workers.exhibits.exhibit import Exhibit

COUNTS: tuple[Exhibit, ...] = (
    Exhibit(
        18,
        "Continuation pages without a lock of their own",
        2017,
        "no_cont_lock",
        "has_cache",
        "counts_carry",
        ("C12", "P4", "Q1", "Q20"),
        "Clusters share a page of swap_map and its list of continuation pages. Under two cluster locks two "
        "CPUs hang a page on the same link: one page is lost, with the references that were counted in it.",
        "2628bd6fc052 brought cont_lock",
    ),
    Exhibit(
        33,
        "nr_swap_pages subtracted twice",
        2025,
        "counted_twice",
        "swap_cache",
        "dontneed_reclaim",
        ("Q3",),
        "The caller that allocates a slot and the allocator both subtract it from what is free. In the kernel "
        "hibernation does; here every allocation does, and any schedule shows it.",
        "stable 0cbd3f2f2da4",
    ),
)
