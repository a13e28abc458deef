"""The museum: historical bugs of swap-in synchronization, each as a variant of a few lines.

Plain data, so that the service can list them without the compiled core. `python -m workers.explorer.museum` plays them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Exhibit:
    """`number` as in the collection, `variant` the protocol that has the bug (workers/protocols/museum), `fixed` the
    one without it, `race` the scenario that provokes it (workers/races.py), `laws` those that may tell it.
    `liveness`: it has to be looked for with lost wake-ups and cycles without progress, `tick`: under that model of
    the tick (workers/exploration.py)."""

    number: int
    title: str
    year: int
    variant: str
    fixed: str
    race: str
    laws: tuple[str, ...]
    history: str
    source: str
    liveness: bool = False
    tick: str | None = None


EXHIBITS: dict[int, Exhibit] = {
    exhibit.number: exhibit
    for exhibit in (
        Exhibit(
            1,
            "ABA behind the bypass of the swap cache",
            2024,
            "skip_cache",
            "has_cache",
            "fault_swap_out_again",
            ("Q15",),
            "A fault reads a slot that it does not pin. Another one maps the page, a store changes it, reclaim "
            "swaps it out to the same slot: the PTE compares equal, and the old copy is mapped over the new one.",
            "13ddaf26be32, CVE-2024-26759; reproducer ryncsn/emm-test-project, swap-stress-race",
        ),
        Exhibit(
            2,
            "A shared slot is dropped by the device behind a reader's back",
            2019,
            "notify_after_read",
            "skip_cache",
            "shared_slot_faults",
            ("Q15",),
            "One sharer reads through the swap cache, after which the driver frees its copy, and gives its "
            "reference back. The other one, which missed the cache before, finds a count of 1, reads the device "
            "itself, and maps zeroes.",
            "mm: do not free shared swap slots (5df373e95689); broken since aa8d22a11da9",
        ),
        Exhibit(
            7,
            "A real-time task waits for a claim by yielding",
            2022,
            "retry_yields",
            "has_cache",
            "shared_slot_faults",
            ("L2", "L4"),
            "Whoever holds SWAP_HAS_CACHE was preempted by a task of a higher priority that wants the same slot. "
            "Yielding lets nobody of a lower priority run, so it asks for ever.",
            "029c4628b2eb",
        ),
        Exhibit(
            9,
            "The holder of a claim sleeps, the loser asks again at once",
            2009,
            "insert_sleeps",
            "has_cache",
            "shared_slot_faults",
            ("L2", "L4"),
            "A readahead claims a slot and sleeps for memory before it inserts. A loser on the same CPU asks "
            "again and again, and the holder never gets the CPU back.",
            "31a5639623a4",
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
        Exhibit(
            34,
            "A synchronous device that is not",
            2018,
            "asynchronous_bypass",
            "skip_cache",
            "disk_fault",
            ("Q7", "Q15"),
            "A zram that writes back completes reads later. The bypass takes them for done, and a fault that "
            "fails frees its page while the device still writes to it.",
            "4f7a7beaee77",
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
        Exhibit(
            36,
            "A wake-up between the failed claim and the queue",
            2024,
            "has_cache_waitqueue",
            "swap_cache",
            "fault_fault",
            ("L2",),
            "The owner clears the bit and finds nobody in the queue; the loser, which has seen the bit, enqueues "
            "and sleeps without looking again. Nobody is left to wake it: it sleeps the whole tick.",
            "01626a182302, bounded by its timeout of a tick",
            liveness=True,
            tick="await",
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
}
