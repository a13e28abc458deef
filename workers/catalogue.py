"""The table of protocols and scenarios: plain Python, so that the service can list them without the compiled core."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ProtocolEntry:
    """One protocol: its file under workers/protocols, its class, and what its head says."""

    name: str
    cls: str
    kernel: str
    summary: str
    sound: bool


@dataclass(frozen=True)
class ScenarioEntry:
    """One workload: the name a run is asked with, and what it does."""

    name: str
    summary: str


MAX_LABEL = 64  # characters: a column of the database, and of a table on a terminal

PROTOCOLS = {
    p.name: p
    for p in (
        ProtocolEntry(
            "unsynchronized",
            "Unsynchronized",
            "none",
            "The null variant: nobody claims a slot. It must break, and measures what synchronization costs.",
            False,
        ),
        ProtocolEntry(
            "skip_cache",
            "SkipCache",
            "4.15 to 6.7",
            "V0: a synchronous device is read into a private folio, and nobody claims the slot.",
            False,
        ),
        ProtocolEntry(
            "has_cache",
            "HasCache",
            "6.8 to 6.11",
            "V1a: whoever sets SWAP_HAS_CACHE swaps in; losers sleep one tick and retry.",
            True,
        ),
        ProtocolEntry(
            "has_cache_waitqueue",
            "HasCacheWaitqueue",
            "6.12 to 6.19",
            "V1c: has_cache, and a bypass that clears the bit wakes the losers of all slots.",
            True,
        ),
        ProtocolEntry(
            "swap_cache_as_posted",
            "SwapCacheAsPosted",
            "phase II, patch 12 as first posted",
            "V2 before its fix: reclaim may free a slot before it records the cgroup id on it.",
            False,
        ),
        ProtocolEntry(
            "swap_cache",
            "SwapCache",
            "phase II, patch 12 with its fix",
            "V2: whoever inserts a folio in the swap cache under the cluster lock swaps in; losers wait on its lock.",
            True,
        ),
        ProtocolEntry(
            "swap_table",
            "SwapTable",
            "7.0",
            "V3: no SWAP_HAS_CACHE; the allocator puts the folio in the swap cache.",
            True,
        ),
        ProtocolEntry(
            "swap_table_count",
            "SwapTableCount",
            "7.1",
            "V4: no swap_map; the table word counts, an extend table from 15 on.",
            True,
        ),
    )
}
SOUND = [name for name, protocol in PROTOCOLS.items() if protocol.sound]

SCENARIOS = {
    s.name: s
    for s in (
        ScenarioEntry("thread_fault", "Threads of one mm fault the same swapped-out pages at the same time."),
        ScenarioEntry("fork_fault", "Forked mms share swapped-out pages and fault them at the same time."),
        ScenarioEntry("usemem", "Each CPU walks its own memory, larger than the limit, sequentially or at random."),
        ScenarioEntry("mix", "A weighted mix of operations, chosen at random, over shared and forked mms."),
        ScenarioEntry("trace", "The page references of a real program, replayed by several emulated processes."),
        ScenarioEntry("redis", "Servers that load and store keys while forked children read the snapshot and exit."),
        ScenarioEntry("kernel_build", "make -jN: processes fork, exec, replay a recorded compile, exit, and so on."),
        ScenarioEntry("zram_swapin", "1 GiB is swapped out, and each CPU loads its share of it in order."),
        ScenarioEntry("swapoff_loop", "One CPU swaps the device off and on in a loop while the others use it."),
        ScenarioEntry("shmem_fault", "Programs read and write the same file of tmpfs, half of which lies in swap."),
    )
}


def label(protocol: str) -> str:
    """What a protocol is called in lists and tables: its name, or file and class of one outside the tree."""
    path, colon, cls = protocol.rpartition(":")
    return f"{path.rpartition('/')[2]}:{cls}"[-MAX_LABEL:] if colon else protocol
