"""Steps of operations: fault, readahead, move, zap, fork, exit, allocation, swapoff."""

from __future__ import annotations

from workers.exhibits.exhibit import Exhibit

OPERATIONS: tuple[Exhibit, ...] = (
    Exhibit(
        11,
        "A move takes the wrong folio along",
        2025,
        "move_any_folio",
        "swap_cache",
        "move_slot_changes_hands",
        ("P5",),
        "A move looks up the folio of an entry. Before it has locked it, the page is swapped in, another one is "
        "swapped out to its slot (that is the folio found), and in again, and the page is swapped out to the slot it "
        "had. The PTE has not changed, so the move goes on, and gives the other page's folio the new address: "
        "reclaim never finds its PTE again.",
        "0ea148a79919; lists.linaro.org HHZTFZKB33IRSUY4YDA5DNFSQ6JDMOAO",
    ),
    Exhibit(
        13,
        "A zap that does not hold the device",
        2024,
        "zap_without_device",
        "has_cache",
        "swapoff_exit",
        ("T9",),
        "A zap gives back the last reference of a cached slot, and looks for the folio after that. A swapoff "
        "in between frees the slot and takes the device down: the zap looks into memory that is gone.",
        "CVE-2024-26960; 82b1c07a0af6 holds the device from the beginning",
    ),
    Exhibit(
        14,
        "A fault that does not hold the device",
        2019,
        "fault_without_device",
        "has_cache",
        "swapoff_fault",
        ("T9", "C15"),
        "A fault reads its entry from the page table, a swapoff brings the page in and completes, and the "
        "fault looks at the slot's byte in a swap_map that is no more.",
        "lkml 1902.1/08459; eb085574a752 get_swap_device",
    ),
    Exhibit(
        15,
        "A readahead that does not hold the other device",
        2025,
        "neighbour_without_device",
        "has_cache_waitqueue",
        "neighbour_swapoff",
        ("T9",),
        "A fault holds the device of its own slot, and reads a page ahead that lies on another one. A swapoff of "
        "that one completes in between: the readahead looks at a slot that is gone.",
        "CVE-2025-40270; 1c2a936edd71 takes a reference of the other device, or leaves the page",
    ),
    Exhibit(
        16,
        "Allocation after swapoff has begun",
        2024,
        "writeok_at_entry",
        "swap_cache",
        "swapoff_reclaim",
        ("C18", "T9"),
        "An allocator sees that the device takes pages and chooses it; a swapoff begins and finds nothing in "
        "use; then the allocator takes a slot of a device that goes.",
        "0ec8bc9e880e looks again under the cluster lock; swapoff waits for allocators",
    ),
    Exhibit(
        17,
        "A zap that trusts an old count",
        2017,
        "reclaim_without_recheck",
        "has_cache",
        "exit_write_error",
        ("T4", "Q15"),
        "A zap sees a slot that only its cache pins and lets go of the cluster lock. Reclaim unmaps the "
        "folio, so that the slot has a reference again, and keeps the folio dirty, for its write fails. The "
        "zap locks the folio and drops the only copy.",
        "322b8afe4a65 looks at the count again under the folio lock",
    ),
    Exhibit(
        24,
        "An mm on the wrong list",
        2014,
        "mmlist_aside",
        "has_cache",
        "fork_reclaim",
        ("Q14",),
        "A fork hangs the child behind its parent, which is on no list. Later a page of the child is swapped "
        "out, and its links are not empty: it counts as listed, swapoff never finds it and loops. In the "
        "kernel migration entries did so; here any page does.",
        "lore alpine.LSU.2.11.1411301950450.1043@eggly.anvils",
    ),
    Exhibit(
        29,
        "A discard inside the allocation",
        2025,
        "discard_in_scan",
        "has_cache_waitqueue",
        "discard_allocation",
        ("L8",),
        "All slots are in use but those of clusters that wait to be discarded. The allocator discards them where it "
        "stands, with the local lock of its CPU held: it sleeps where it must not.",
        "9fb749cd1507 (Fixes 1b7e90020eb7) fails, drops the lock, discards and asks again",
    ),
    Exhibit(
        30,
        "A split leaves the slot to the first page",
        2022,
        "split_without_entry",
        "has_cache",
        "large_split_cached",
        ("T9",),
        "A folio of several pages that is being swapped out is mapped again, and split while it is in the swap cache. "
        "Its other pages are in there too, and do not know at which slot: whoever swaps one of them out takes it for "
        "that of slot 0. In the kernel the page goes, and its own slot names it still: lookups of it spin for ever.",
        "71e2d666ef85; of migration fc346d0a70a1",
    ),
    Exhibit(
        39,
        "A child gives up its parent's only copy",
        2026,
        "lazyfree_bypassed",
        "has_cache",
        "free_child",
        ("Q15",),
        "A page is loaded from a synchronous device past the swap cache: its slot is free then, its PTE and its folio "
        "are clean. The process forks, and the child gives the page up by MADV_FREE, which asks who else maps a folio "
        "only if that is dirty or in the swap cache. Reclaim finds no dirty PTE either, and drops the page: the parent "
        "reads zeroes. Versions that swap in through the swap cache mark the folio dirty when they free its slot.",
        "found by mixed runs of swaprace; seen in 6.1, 6.8, 6.12 and 6.19 (docs/kernels.md)",
    ),
    Exhibit(
        35,
        "swapoff looks up what is no entry",
        2025,
        "unuse_any_type",
        "swap_cache",
        "swapoff_fault",
        ("T9",),
        "swapoff reads the type of an entry before it knows that the PTE holds one: an untouched page reads "
        "as slot 0 of device 0, and the swap cache is asked for it.",
        "syzbot d7bc9ec4a100437aa7a2",
    ),
)
