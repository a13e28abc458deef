"""Charges, ids and statistics of memcgs."""

from __future__ import annotations

from workers.exhibits.exhibit import Exhibit

MEMCG: tuple[Exhibit, ...] = (
    Exhibit(
        25,
        "The id of an offline memcg",
        2025,
        "id_of_the_dead",
        "swap_cache",
        "memcg_offline_reclaim",
        ("Q12",),
        "A slot is charged to the ancestor that is still alive, and gets the id of the memcg that is gone: "
        "when it is freed, the charge is given back to the wrong one, and the ancestor's stays.",
        "73f839b6d2ed, after 6769183166b3",
    ),
    Exhibit(
        26,
        "memcg1_swapout after the slot is free",
        2026,
        "swap_cache_as_posted",
        "swap_cache",
        "memcg_exit",
        ("Q11", "Q12", "T5"),
        "Reclaim takes the folio out of the cache, which frees a slot whose last reference is gone, and "
        "records the cgroup id on it afterwards.",
        "syzbot d97580a8cceb9b03c13e; fixed in the series before it was merged",
    ),
    Exhibit(
        27,
        "Counted in the cache before it is charged",
        2026,
        "charge_after_insert",
        "swap_table_count",
        "disk_fault",
        ("Q6",),
        "A readahead puts its folio in the swap cache, where the statistic of its memcg would be raised if it "
        "had one, and charges it then. The removal lowers the statistic: it drifts below zero.",
        "9acbe135588e",
    ),
    Exhibit(
        28,
        "Charged before it is in the cache, for the slot's former owner",
        2026,
        "charge_before_insert",
        "swap_table",
        "slot_changes_hands",
        ("F10",),
        "A readahead charges the memcg whose id the slot has. The slot is freed, allocated by another memcg "
        "and swapped out to; the insertion finds a reference and succeeds, with the data of one and the "
        "charge of the other.",
        "RFC of phase IV, April 2026",
    ),
    Exhibit(
        38,
        "Removed from the cache after its charge is gone",
        2026,
        "statistic_after_charge",
        "has_cache_waitqueue",
        "memcg_exit",
        ("Q6",),
        "On cgroup v1 reclaim moves the charge from the folio to the slot first. The removal from the cache "
        "then finds no memcg to count it for, and the memcg's swapcached statistic only grows.",
        "the order that cures number 26; not confirmed by anybody upstream",
    ),
)
