"""One word forged in a lawful world at a time, and exactly the laws that must speak then."""

from __future__ import annotations

from collections.abc import Callable

from tests.laws import world as w
from tests.laws.world import World

Forge = Callable[[World], object]


def byte(slot: int, value: int) -> Forge:
    return lambda world: world.word("swap_map", slot, value)


def put(array: str, index: int, field: str, value: int, nth: int = 0) -> Forge:
    return lambda world: world.put(array, index, field, value, nth=nth)


def word(array: str, index: int, value: int) -> Forge:
    return lambda world: world.word(array, index, value)


def table(slot: int, value: int) -> Forge:
    return lambda world: world.table_word(slot, value)


def digits(slot: int, low: int, more: list[int]) -> Forge:
    """A byte, and its digits in one continuation page each."""

    def forge(world: World) -> None:
        world.word("swap_map", slot, low)
        world.word("cont_heads", 0, 1)
        world.word("cont_next", 1, 2)
        world.word("cont_next", 2, 0)
        world.word("cont_head", 0, 0)
        for number, digit in enumerate(more):
            world.page_digit(number, slot, digit)

    return forge


def page(number: int, pte: int, expected: int = 0) -> Forge:
    return lambda world: world.page(number, pte, expected)


def stacks(*members: list[int]) -> Forge:
    return lambda world: world.free_stacks(members)


def warned(warning: str) -> Forge:
    return lambda world: world.warn(warning, cpu=1)


def cache_only(refcount: int = 1, flags: int = w.UPTODATE | w.SWAPCACHE) -> Forge:
    """Nobody refers to the slot of the cached folio any more."""

    def forge(world: World) -> None:
        world.word("swap_map", w.CACHED_SLOT, w.HAS_CACHE)
        world.page(w.CACHED, 0, 0)
        world.put("folios", w.CACHED_PFN, "refcount", refcount)
        world.put("folios", w.CACHED_PFN, "flags", flags)

    return forge


def below_memcg_1(counter: str, value: int) -> Forge:
    """Memcg 2 below memcg 1, and one of its counters that knows of no charge of its own."""

    def forge(world: World) -> None:
        world.put("memcgs", 2, "parent", 1)
        world.put("memcgs", 2, counter, value)

    return forge


def two_owners(bits: int) -> Forge:
    """Two mms with a swap PTE for one slot, that of the first with these bits."""

    def forge(world: World) -> None:
        world.word("swap_map", w.SWAPPED_SLOT, 2)
        world.page(w.SWAPPED, w.pte_of_slot(w.SWAPPED_SLOT) | bits, 101)
        world.put("mms", 1, "state", 1)
        world.put("mms", 1, "on_mmlist", 1)
        world.page(w.SWAPPED, w.pte_of_slot(w.SWAPPED_SLOT), 101, mm=1)

    return forge


def unmapped(number: int, mm: int = 0) -> Forge:
    """A page that no VMA has any more."""

    def forge(world: World) -> None:
        world.word("unmapped", mm * world.geometry.pages + number, 1)
        world.put("mms", mm, "unmapped", 1)

    return forge


def in_zswap(more: Forge) -> Forge:
    """Entry 2 of zswap keeps the page that is swapped out, and then something is wrong."""

    def forge(world: World) -> None:
        world.keep_in_zswap(2, w.SWAPPED_SLOT, w.SWAPPED, 101)
        more(world)

    return forge


FORGERIES: dict[str, list[tuple[Forge, set[str]]]] = {
    "C1": [
        (put("clusters", 1, "count", 3), {"C1", "Q2"}),
        (byte(w.A_FREE_SLOT, w.HAS_CACHE), {"C1", "C4", "L3", "Q8", "Q10", "Q11"}),
    ],
    "C2": [
        (put("clusters", 2, "count", 17), {"C1", "C2", "C15", "C17", "Q2"}),
        (put("clusters", 3, "count", 3), {"C1", "C2", "Q2"}),
    ],
    "C3": [
        (byte(0, 0), {"C3"}),
        (byte(w.SWAPPED_SLOT, w.BAD_BYTE), {"C3", "Q1"}),
        (byte(w.SWAPPED_SLOT, 0xBF), {"C3", "C12"}),
    ],
    "C4": [
        (byte(w.CACHED_SLOT, 1), {"C4", "C5", "Q8"}),
        (byte(w.SWAPPED_SLOT, 1 | w.HAS_CACHE), {"C4", "L3", "Q8"}),
    ],
    "C5": [(byte(w.CACHED_SLOT, 1), {"C4", "C5", "Q8"})],
    "C8": [
        (table(w.A_FREE_SLOT, 5 << 1 | 1), {"C8"}),
        (table(0, 0), {"C8"}),
        (table(w.A_FREE_SLOT, w.BAD_WORD), {"C8"}),
    ],
    "C12": [
        (byte(w.SWAPPED_SLOT, 0x81), {"C12"}),
        (digits(w.SWAPPED_SLOT, 0x81, [0x81, 0]), {"C12", "Q1"}),
    ],
    "C13": [
        (table(w.SWAPPED_SLOT, w.pfn_word(w.CACHED_PFN)), {"C4", "C5", "C13", "Q5", "Q8", "Q15"}),
        (put("folios", w.CACHED_PFN, "swap", w.SWAPPED_SLOT), {"C13", "F1"}),
        (warned("add_cached"), {"C13"}),
        (warned("del_foreign"), {"C13"}),
    ],
    "C14": [
        (put("folios", w.CACHED_PFN, "order", order), {"C13", "C14", "F1", "F2", "Q5", "Q7", "Q13", "Q15"})
        for order in (2, 5)
    ],
    "C16": [
        (put("clusters", 1, "order", 1), {"C16"}),
        (put("clusters", 2, "order", 1), {"C16"}),
        (put("clusters", 1, "order", 200), {"C16"}),
    ],
    "C15": [
        (lambda world: world.list_length("free", 5), {"C15"}),
        (put("clusters", 1, "flags", 3), {"C15"}),
        (put("clusters", 1, "flags", 0), {"C15"}),
        (put("clusters", 1, "table", 999), {"C4", "C15", "C17", "F1", "L3", "Q5", "Q8"}),
        (put("clusters", 1, "next", 0), {"C15"}),
        (put("clusters", 1, "flags", 5), {"C15"}),
        (warned("table_twice"), {"C15"}),
    ],
    "F1": [
        (put("folios", w.MAPPED_PFN, "swap", w.A_FREE_SLOT), {"F1"}),
        (put("folios", w.CACHED_PFN, "flags", w.UPTODATE), {"F1", "Q5", "Q7"}),
        (put("folios", w.CACHED_PFN, "swap", 1 << 40), {"C13", "F1"}),
    ],
    "C17": [
        (put("clusters", 2, "ext", 1), {"C17", "Q20"}),
        (put("clusters", 2, "count", 17), {"C1", "C2", "C15", "C17", "Q2"}),
    ],
    "C18": [
        (put("clusters", 1, "swept", 2), {"C18"}),
    ],
    "C19": [
        (word("zeromap", 0, 1 << w.A_FREE_SLOT), {"C19"}),
        (word("zswap_tree", w.A_FREE_SLOT, 1), {"C19", "Q22"}),
    ],
    "F2": [(put("folios", w.CACHED_PFN, "refcount", 0), {"F2", "F8", "Q7"})],
    "F3": [(warned("cache_unlocked"), {"F3"})],
    "F4": [(put("folios", w.MAPPED_PFN, "flags", w.UPTODATE | w.WRITEBACK), {"F4", "Q9"})],
    "F5": [(warned("read_unowned"), {"F5"})],
    "F6": [(put("folios", w.CACHED_PFN, "flags", w.SWAPCACHE), {"F6"})],
    "F7": [(warned("clean_dropped"), {"F7"})],
    "F8": [
        (put("folios", w.A_FREE_PFN, "flags", w.DIRTY), {"F8"}),
        (put("folios", w.A_FREE_PFN, "mapcount", 1), {"F8"}),
    ],
    "F9": [(put("folios", w.CACHED_PFN, "flags", w.UPTODATE | w.SWAPCACHE | w.EXCLUSIVE), {"F9"})],
    "F10": [
        (put("folios", w.CACHED_PFN, "memcg", 2), {"F10", "Q6", "Q13"}),
        (word("swap_cgroup", w.CACHED_SLOT, 2), {"F10", "Q12"}),
    ],
    "F11": [(put("folios", w.MAPPED_PFN, "mapping", 1), {"F11"}), (put("folios", w.MAPPED_PFN, "mapping", 9), {"F11"})],
    "F12": [(put("folios", w.CACHED_PFN, "flags", w.UPTODATE | w.ONLY_SWAPCACHE), {"F12"})],
    "P1": [
        (page(3, w.pte_of_slot(1000)), {"P1"}),
        (page(3, w.pte_of_slot(w.A_FREE_SLOT)), {"P1", "Q1", "Q15"}),
        (warned("map_bad_slot"), {"P1"}),
    ],
    "P2": [(two_owners(w.PTE_EXCLUSIVE), {"P2"})],
    "P3": [(warned("slot_recycled"), {"P3", "T8"})],
    "P5": [(put("folios", w.MAPPED_PFN, "index", w.SWAPPED), {"P5"})],
    "Q1": [
        (byte(w.SWAPPED_SLOT, 2), {"Q1"}),
        (page(w.SWAPPED, 0), {"Q1"}),
        (warned("count_underflow"), {"Q1"}),
    ],
    "Q2": [(put("si", 0, "inuse_pages", 3), {"Q2", "Q3"}), (put("si", 1, "inuse_pages", -1), {"Q2", "Q3", "Q4"})],
    "Q3": [(put("control", 0, "nr_swap_pages", 5), {"Q3"}), (put("control", 0, "total_swap_pages", 5), {"Q3"})],
    "Q4": [
        (put("swap_avail", 0, "nr", 1), {"Q4"}),
        (put("swap_avail", 0, "nr", 9), {"Q4"}),
        (put("swap_avail", 0, "device", 1), {"Q4"}),
        (put("si", 1, "inuse_pages", w.OFF_THE_LIST), {"Q4"}),
        (put("si", 1, "prio", 7), {"Q4"}),
    ],
    "Q5": [(put("percpu", 0, "gauges", 1), {"Q5"})],
    "Q6": [
        (put("memcgs", 1, "swapcached", 2), {"Q6"}),
        (put("memcgs", 2, "swapcached", -1), {"Q6"}),
        (put("folios", w.CACHED_PFN, "memcg", 2), {"F10", "Q6", "Q13"}),
    ],
    "Q7": [
        (put("folios", w.MAPPED_PFN, "refcount", 2), {"Q7"}),
        (put("folios", w.MAPPED_PFN, "mapcount", 0), {"Q7"}),
        (put("folios", w.A_FREE_PFN, "refcount", 1), {"Q7"}),
        (put("percpu", 1, "free_head", 3), {"Q7"}),
        (put("folios", 1, "next_free", 1), {"Q7"}),
        (page(4, 999 << 9 | w.PRESENT_PTE_BITS), {"Q7"}),
        (warned("refcount"), {"Q7"}),
    ],
    "Q8": [
        (byte(w.CACHED_SLOT, 1), {"C4", "C5", "Q8"}),
        (byte(w.SWAPPED_SLOT, 1 | w.HAS_CACHE), {"C4", "L3", "Q8"}),
    ],
    "Q9": [
        (put("clusters", 2, "lock", 7 << 8 | 2), {"Q9"}),
        (put("folios", w.MAPPED_PFN, "flags", w.UPTODATE | w.LOCKED), {"Q9"}),
        (put("folios", w.MAPPED_PFN, "flags", w.UPTODATE | w.WRITEBACK), {"F4", "Q9"}),
        (put("mms", 0, "mmap_lock", 1), {"Q9"}),
        (put("percpu", 0, "users", 1), {"Q9"}),
        (put("control", 0, "nr_writeback", -1), {"Q9"}),
        (put("wait_queues", 63, "head", 2), {"L2", "Q9"}),
    ],
    "Q10": [
        (cache_only(refcount=3), {"Q7", "Q10"}),
        (cache_only(flags=w.UPTODATE | w.SWAPCACHE | w.LOCKED), {"Q9", "Q10"}),
    ],
    "Q11": [
        (word("swap_cgroup", w.A_FREE_SLOT, 1), {"Q11", "Q12"}),
        (word("swap_cgroup", w.A_FREE_SLOT, 3), {"Q11"}),
        (word("swap_cgroup", w.SWAPPED_SLOT, 0), {"Q11", "Q12"}),
    ],
    "Q12": [
        (put("memcgs", 1, "swap", 3), {"Q12"}),
        (put("memcgs", 1, "nr_swap", 1), {"Q12"}),
        (put("memcgs", 2, "id_refs", 2), {"Q12"}),
        (put("memcgs", 2, "css", 0), {"Q12"}),
        (below_memcg_1("swap", 2), {"Q12"}),
    ],
    "Q13": [
        (put("memcgs", 1, "memory", 3), {"Q13"}),
        (put("folios", w.MAPPED_PFN, "memcg", 2), {"Q13"}),
        (put("folios", w.MAPPED_PFN, "order", 1), {"Q13"}),
        (below_memcg_1("memory", 1), {"Q13"}),
    ],
    "Q14": [(put("mms", 0, "on_mmlist", 0), {"Q14"})],
    "Q15": [
        (lambda world: world.content("payloads", w.MAPPED_PFN, w.MAPPED, 99), {"Q15"}),
        (lambda world: world.content("payloads", w.CACHED_PFN, w.MAPPED, 102), {"Q15", "Q17"}),
        (word("payloads", 5, 0), {"Q15"}),
        (lambda world: world.content("blocks", 0, w.SWAPPED, 1), {"Q15"}),
        (word("handles", w.SWAPPED_SLOT, 0), {"Q15", "Q16"}),
        (page(3, 0, 1), {"Q15"}),
        (warned("stale_load"), {"Q15"}),
    ],
    "Q16": [
        (word("handles", w.SWAPPED_SLOT, 0), {"Q15", "Q16"}),
        (in_zswap(lambda world: world.word("zeromap", 0, 1 << w.SWAPPED_SLOT)), {"Q15", "Q16"}),
    ],
    "Q17": [
        (lambda world: world.content("blocks", 1, w.CACHED, 101), {"Q17"}),
        (word("handles", w.CACHED_SLOT, 0), {"Q17"}),
    ],
    "Q18": [(put("si", 0, "flags", 0), {"P1", "Q3", "Q4", "Q18"})],
    "Q19": [(put("mms", 0, "state", 0), {"Q1", "Q7", "Q19"})],
    "L2": [
        (put("percpu", 1, "wait_mode", 1), {"L2"}),
        (warned("lost_wakeup"), {"L2"}),
        (warned("table_stuck"), {"L2"}),
    ],
    "L3": [
        (put("percpu", 0, "claimed_entry", w.A_FREE_SLOT), {"L3"}),
        (put("percpu", 0, "reserved_entry", w.A_FREE_SLOT), {"L3"}),
        (warned("claim_left"), {"L3"}),
    ],
    "L4": [(warned("spin"), {"L4"})],
    "L5": [(warned("retry_alone"), {"L5"})],
    "L6": [(warned("unuse_stuck"), {"L6"})],
    "L7": [(warned("spurious_oom"), {"L7"})],
    "L8": [(warned("lockdep"), {"L8"})],
    "Q20": [(word("cont_next", 1, 0), {"Q20"}), (word("cont_heads", 0, 2), {"Q20"})],
    "Q21": [(put("inodes", 1, "nrpages", 1), {"Q21"}), (put("inodes", 0, "swapped", -1), {"Q21"})],
    "Q23": [(word("mappings", 1, (1 << 58 | w.A_FREE_SLOT) << 1 | 1 | 1 << 55), {"Q1", "Q15", "Q21", "Q23"})],
    "Q24": [
        (unmapped(w.SWAPPED), {"Q24"}),
        (word("unmapped", w.SWAPPED, 1), {"Q24"}),
        (put("mms", 0, "unmapped", 1), {"Q24"}),
        (unmapped(0, mm=1), {"Q24"}),
    ],
    "Q22": [
        (put("zswap", 0, "stored_pages", 1), {"Q22"}),
        (put("zswap", 0, "free_entries", 2), {"Q22"}),
        (word("zswap_tree", w.SWAPPED_SLOT, 1), {"Q15", "Q22"}),
        (word("zswap_tree", w.SWAPPED_SLOT, 9), {"Q22"}),
        (in_zswap(word("zswap_tree", w.CACHED_SLOT, 2)), {"Q17", "Q22"}),
        (in_zswap(put("zswap_entries", 2, "memcg", 2)), {"Q22"}),
        (in_zswap(put("zswap_entries", 2, "swpentry", 0)), {"Q22"}),
        (in_zswap(put("zswap_lrus", 1, "list", 2, nth=2)), {"Q22"}),
        (in_zswap(put("zswap_lrus", 2, "list", 2, nth=1)), {"Q22"}),
        (in_zswap(word("zswap_next", 3, 1)), {"Q22"}),
    ],
    "T1": [(warned("first_reference"), {"T1"})],
    "T2": [(warned("free_in_use"), {"T2"})],
    "T3": [(warned("add_wrong"), {"T3"})],
    "T4": [(warned("del_only_copy"), {"T4"})],
    "T5": [(warned("cgroup_record"), {"T5"})],
    "T7": [(word("handles", w.A_FREE_SLOT, 2), {"T7"}), (warned("free_unlocked"), {"T7"})],
    "T8": [
        (warned("slot_recycled"), {"P3", "T8"}),
        (word("generations", w.CACHED_SLOT, 1), {"T8"}),
        (word("generations", 2 * w.GEOMETRY.slots + w.CACHED_PFN, 1), {"T8"}),
    ],
    "T9": [(warned("no_slot"), {"T9"})],
    "T10": [(warned("read_mixed"), {"T10"})],
}


def extended(cluster: int, slot: int, count: int) -> Forge:
    """The cluster gets an extend table that holds a count for that slot."""

    def forge(world: World) -> None:
        world.put("clusters", cluster, "ext", 1)
        world.word("ext_head", 0, 2)
        world.word("ext_next", 2, 0)
        world.extended(0, slot, count)

    return forge


OTHER_FORMATS: dict[str, tuple[str, int, list[tuple[Forge, set[str]]]]] = {
    "C7": ("swap_table", w.SLOTS_MAP, [(byte(w.CACHED_SLOT, 1 | w.HAS_CACHE), {"C3", "C7"})]),
    "C9": (
        "swap_table",
        w.SLOTS_MAP,
        [
            (table(w.A_FREE_SLOT, w.shadow_word(5)), {"C8", "C9"}),
            (byte(w.SWAPPED_SLOT, 0), {"C1", "C8", "C9", "P1", "Q1", "Q11", "T7"}),
        ],
    ),
    "C10": (
        "swap_table_count",
        w.SLOTS_TABLE,
        [
            (table(w.A_FREE_SLOT, 4), {"C1", "C8", "C10", "Q11"}),
            (table(w.CACHED_SLOT, w.pfn_word(0, 1)), {"C10", "C13", "F1"}),
        ],
    ),
    "C11": (
        "swap_table_count",
        w.SLOTS_TABLE,
        [
            (table(w.SWAPPED_SLOT, w.shadow_word(77, 15)), {"C11", "Q1"}),
            (extended(1, w.SWAPPED_SLOT, 3), {"C11"}),
            (put("clusters", 1, "ext", 9), {"C11"}),
        ],
    ),
}
