"""Who may bring a slot in, and how the others wait."""

from __future__ import annotations

from workers.exhibits.exhibit import Exhibit

SWAP_IN: tuple[Exhibit, ...] = (
    Exhibit(
        1,
        "ABA behind the bypass of the swap cache",
        2024,
        "skip_cache",
        "has_cache",
        "fault_swap_out_again",
        ("P3", "T8", "Q15"),
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
        34,
        "A synchronous device that is not",
        2018,
        "asynchronous_bypass",
        "skip_cache",
        "disk_fault",
        ("F5", "L7", "Q7", "Q15"),
        "A zram that writes back completes reads later. The bypass takes them for done, and a fault that "
        "fails frees its page while the device still writes to it.",
        "4f7a7beaee77",
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
)
