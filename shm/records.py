"""Rows of the snapshot: what the words of a segment say, decoded.

Names stand in the order of the enums in the .pxd files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

EVENTS = (
    *("operations", "swap_ins", "pswpin", "pswpout", "pgfault", "pgmajfault", "swap_ra", "swap_ra_hit", "tick_sleeps"),
    *("swapcache_eexist", "swapcache_enoent", "fault_retry", "refault_raced", "zero_fill", "cow", "cow_reuse"),
    *("pgsteal", "pgscan", "allocstall", "free_cache_only", "swap_full", "charge_failed", "vm_fault_oom"),
    *("vm_fault_sigbus", "workingset_refault", "workingset_activate", "forks", "exits", "swapoffs", "swapoff_failed"),
    *("pageouts", "dontneeds", "write_errors", "read_errors"),
    *("alloc_failed", "swapcache_retry"),
    *("pgdeactivate", "pglazyfree", "pglazyfreed", "moves"),
    *("swpin_zero", "swpout_zero", "zswpin", "zswpout", "zswpwb", "zswap_limit_hit", "zswap_reject_reclaim"),
    *("anon_fault_alloc", "anon_fault_fallback", "anon_fault_fallback_charge", "swpout_large", "thp_swpout_fallback"),
    *("swpin_large", "swpin_fallback", "split_folio", "split_folio_failed", "vm_fault_oom_spurious"),
    *("shmem_alloc", "shmem_fallback", "shmem_fallback_charge", "munmaps", "mmaps", "vm_fault_sigsegv"),
)
GAUGES = ("nr_swapcache", "nr_anon_mapped")
WAITS = (
    *("cluster_lock", "folio_lock", "tick_sleep", "device", "reclaim", "mmap_lock", "page_table_lock", "other_lock"),
)
LATENCIES = ("swap_in", "zero_fill", "cow", "reclaim", "swapoff", "fork", "exit")
WARNINGS = (
    *("add_cached", "del_foreign", "free_in_use", "count_underflow", "refcount", "stale_load", "map_bad_slot"),
    *("cgroup_record", "table_stuck", "claim_left", "lost_wakeup", "lockdep", "no_slot", "spin"),
    *("cache_unlocked", "first_reference", "add_wrong", "del_only_copy", "free_unlocked"),
    *("slot_recycled", "read_unowned", "clean_dropped", "retry_alone", "unuse_stuck", "spurious_oom"),
    *("table_twice", "read_mixed"),
)
INJECTIONS = (*("folio_alloc", "table_alloc", "count_alloc", "charge", "device_error", "device_slow", "lock_delay"),)
FOLIO_FLAGS = (
    *("locked", "waiters", "uptodate", "dirty", "lru", "active", "writeback", "swapcache", "swapbacked", "readahead"),
    *("workingset", "reclaim", "anon_exclusive", "referenced", "claimed", "anon", "buddy", "error"),
)
CLUSTER_FLAGS = ("none", "free", "nonfull", "frag", "full", "discard")
LOCK_CLASSES = (
    *("none", "anon_vma", "ptl", "i_pages", "cluster", "si", "lruvec", "wait_queue", "device", "mmlist", "folio"),
    *("mmap_lock", "percpu_cluster", "swapon_mutex", "cont", "global_cluster", "swap_avail", "mapping"),
    *("swaplist", "zswap_lru", "zone"),
)
PHASES = ("unused", "preparing", "running", "left")
WAIT_MODES = ("none", "exclusive", "unlock", "writeback", "event")
MM_STATES = ("unused", "live", "exiting", "forking")
TRACE_KINDS = (
    *("none", "swap_in", "tick_sleep", "folio_wait", "add_folio", "del_folio", "free_slot", "alloc_slot", "warn"),
    *("swapoff", "wait"),
)


def name_of(names: tuple[str, ...], number: int) -> str:
    """The name of an enum's value; `unknown(N)` for a word that holds none of them, as in a broken segment."""
    return names[number] if 0 <= number < len(names) else f"unknown({number})"


@dataclass(frozen=True, slots=True)
class Span:
    """An array of the segment: bytes from its start, bytes of an item, number of items."""

    offset: int
    item: int
    count: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A swp_entry_t: device and slot within it."""

    device: int
    offset: int


@dataclass(frozen=True, slots=True)
class Control:
    """The control words of the run. hz in ticks a second, tick_ns in ns. `i_pages`: its locks guard the swap cache."""

    stop: bool
    measuring: bool
    hz: int
    tick_ns: int
    memcg_version: int
    readahead_pages: int
    inject_ppm: Mapping[str, int]
    lockdep: bool
    nr_swap_pages: int
    total_swap_pages: int
    nr_writeback: int
    cpus_working: int
    i_pages: bool


@dataclass(frozen=True, slots=True)
class Device:
    """swap_info_struct: `lists` is flag (and order, as `frag[2]`) -> clusters from head to tail, `users` the sum of all
    CPUs' references."""

    used: bool
    writeok: bool
    synchronous: bool
    dead: bool
    inuse_pages: int
    pages: int
    max: int
    lists: Mapping[str, list[int]]
    users: int
    in_flight: int
    read_ns: int
    write_ns: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """swap_cluster_info. `table`, `prev`, `next`, `owner`: None where there is none."""

    index: int
    count: int
    flag: str
    order: int
    table: int | None
    prev: int | None
    next: int | None
    owner: int | None
    locked_by: int | None


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot: its byte, its table word (`null`, `shadow`, `pfn`, `bad`; `value` the shadow or PFN), memcg and block."""

    byte: int
    count: int
    has_cache: bool
    bad: bool
    word: int
    kind: str
    value: int
    memcg: int
    handle: int | None
    zero: bool  # in the zero-filled map
    zswap: int | None  # the entry that zswap has for it


@dataclass(frozen=True, slots=True)
class Folio:
    """A page, and the folio that it is the `head` of. `identity` and `stamp` are the first words of the page's payload;
    `locked_by` the CPU that holds the folio's lock."""

    pfn: int
    flags: tuple[str, ...]
    refcount: int
    mapcount: int
    locked_by: int | None
    swap: Entry | None
    memcg: int
    anon_vma: int
    index: int
    identity: int
    stamp: int
    order: int
    head: int


@dataclass(frozen=True, slots=True)
class Pte:
    """A page-table entry that is not empty: `pfn` if present or being split, `entry` if swapped out, neither if it is
    lost (`poisoned`). `expected`: stamp of the last store."""

    page: int
    pfn: int | None
    entry: Entry | None
    writable: bool
    dirty: bool
    exclusive: bool
    expected: int
    poisoned: bool


@dataclass(frozen=True, slots=True)
class Mm:
    """An address space: its PTEs that are not empty, and pages that no VMA has (`unmapped`), in the order of pages."""

    state: str
    mm_users: int
    anon_vma: int
    memcg: int
    on_mmlist: bool
    mmap_lock: int
    ptes: list[Pte]
    unmapped: list[int]


@dataclass(frozen=True, slots=True)
class FilePage:
    """A page of a file that is no hole: in the page cache (`pfn`), in swap (`entry`), or lost; its last stamp. `order`:
    of the swap entry that it is a page of."""

    page: int
    pfn: int | None
    entry: Entry | None
    order: int
    expected: int


@dataclass(frozen=True, slots=True)
class Inode:
    """A file of tmpfs with its pages that are no holes, in their order."""

    nrpages: int
    swapped: int
    on_swaplist: bool
    pages: list[FilePage]


@dataclass(frozen=True, slots=True)
class Memcg:
    """A mem_cgroup. `parent`: 0 for the root; `members`: mms in it and online children.

    memory, memsw and swap in pages, those of all below it included; limits None where there is none. Its own alone:
    slots recorded for it (`nr_swap`), pages in the swap cache, `lru`, which is (inactive, active) folios.
    """

    parent: int
    online: bool
    members: int
    memory: int
    memsw: int
    swap: int
    id_refs: int
    nr_swap: int
    swapcached: int
    oom_events: int
    memory_limit: int | None
    memsw_limit: int | None
    swap_limit: int | None
    lru: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Zswap:
    """The pool of zswap. `lists`: memcg -> entries on its list, the next to be written back first."""

    pages: int
    stored_pages: int
    reached_full: bool
    lists: Mapping[int, list[int]]


@dataclass(frozen=True, slots=True)
class Wait:
    """Waits of one cause: how many, and ns in total and at most."""

    count: int
    total_ns: int
    max_ns: int


@dataclass(frozen=True, slots=True)
class Warned:
    """Steps that found what may not be: how many, and the three words that the first one kept."""

    count: int
    a: int
    b: int
    c: int


@dataclass(frozen=True, slots=True)
class PerCpu:
    """The block of one CPU. `cluster_next`: by order, where its next allocation begins."""

    phase: str
    operation: int
    wait_mode: str
    users: tuple[int, ...]
    cluster_next: tuple[Entry | None, ...]
    reserved: Entry | None
    claimed: Entry | None
    events: Mapping[str, int]
    gauges: Mapping[str, int]
    waits: Mapping[str, Wait]
    warnings: Mapping[str, Warned]


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock that is held: its class, its place among such locks, and who holds it since which acquisition."""

    cls: str
    index: int
    cpu: int
    generation: int


@dataclass(frozen=True, slots=True)
class TraceRecord:
    """One record of a CPU's trace ring; of a tick_sleep or a wait that is over, `pfn` is its ns and `arg` its cause."""

    at_ns: int
    kind: str
    entry: Entry | None
    pfn: int
    arg: int
