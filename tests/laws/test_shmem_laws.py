"""Laws of files of tmpfs: one word forged in a lawful world with a file, and exactly the laws that must speak do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.laws import world as w
from tests.laws.forgeries import Forge, put, word
from tests.laws.test_laws import broken
from tests.laws.world import World, inhabited
from workers.invariants.registry import check_at_rest

FILED_PFN = 8
FILED, OUT, HOLE = 0, 1, 2  # pages of file 0: in a folio, in a slot, nowhere
OUT_SLOT = w.A_FREE_SLOT
OF_FILE = 1 << 63
SHMEM_BYTE = 0xBF


def word_of(slot: int, device: int = 0) -> int:
    """The word of a page that lies in a slot."""
    return (device << 58 | slot) << 1 | 1


@contextmanager
def with_file(protocol: str) -> Iterator[World]:
    """A file with one page in memory and one in swap, under a protocol that marks its slot or counts it."""
    marked = protocol == "has_cache"
    with inhabited() as world:
        world.put("control", 0, "map_shmem", int(marked))
        world.free_stacks([[2, 4, 10, 12, 14], [1, 3, 7, 9, 11, 13, 15]])
        for field, value in {"refcount": 1, "memcg": 1, "head": FILED_PFN, "mapping": 1, "index": FILED}.items():
            world.put("folios", FILED_PFN, field, value)
        world.put("folios", FILED_PFN, "flags", w.UPTODATE | w.DIRTY)
        world.content("payloads", FILED_PFN, FILED, 200, identity=OF_FILE | FILED)
        world.content("blocks", 2, OUT, 201, identity=OF_FILE | OUT)
        world.word("handles", OUT_SLOT, 3)
        for page, entry, stamp in ((FILED, FILED_PFN << 1, 200), (OUT, word_of(OUT_SLOT), 201)):
            world.word("mappings", page, entry)
            world.word("shmem_expected", page, stamp)
        world.word("swap_map", OUT_SLOT, SHMEM_BYTE if marked else 1)
        world.table_word(OUT_SLOT, w.shadow_word(78))
        world.word("swap_cgroup", OUT_SLOT, 1)
        world.cluster(1, count=3)
        world.put("si", 0, "inuse_pages", 3)
        world.put("control", 0, "nr_swap_pages", 2 * (world.geometry.slots - 1) - 3)
        for field, value in {"nrpages": 1, "swapped": 1, "on_swaplist": 1}.items():
            world.put("inodes", 0, field, value)
        for counter, value in {"memory": 3, "swap": 3, "nr_swap": 3, "id_refs": 4}.items():
            world.put("memcgs", 1, counter, value)
        yield world


FORGERIES: list[tuple[str, Forge, set[str]]] = [
    ("C3", word("swap_map", OUT_SLOT, 0x3F), {"C3", "Q1"}),
    ("F11", put("folios", FILED_PFN, "index", HOLE), {"F11", "Q21"}),
    ("F11", put("folios", FILED_PFN, "flags", w.UPTODATE | w.SWAPCACHE), {"F1", "F11", "Q5", "Q6", "Q7"}),
    ("Q1", word("mappings", HOLE, word_of(OUT_SLOT)), {"Q1", "Q15", "Q21"}),
    ("Q1", word("mappings", OUT, 0), {"Q1", "Q15", "Q21"}),
    ("Q7", put("folios", FILED_PFN, "refcount", 2), {"Q7"}),
    ("Q7", word("mappings", FILED, 0), {"F11", "Q7", "Q15", "Q21"}),
    ("Q9", lambda world: world.word_of_lock("inodes", 1, 7 << 8 | 2), {"Q9"}),
    ("Q9", lambda world: world.word_of_lock("swaplist_lock", 0, 7 << 8 | 2), {"Q9"}),
    ("Q14", put("inodes", 0, "on_swaplist", 0), {"Q14"}),
    ("Q15", word("shmem_expected", FILED, 1), {"Q15"}),
    ("Q15", word("shmem_expected", OUT, 1), {"Q15"}),
    ("Q15", word("shmem_expected", HOLE, 1), {"Q15"}),
    ("Q15", word("handles", OUT_SLOT, 0), {"Q15", "Q16"}),
    ("Q15", lambda world: world.content("payloads", FILED_PFN, FILED, 200), {"Q15"}),
    ("Q21", put("inodes", 0, "swapped", 2), {"Q21"}),
    ("Q21", word("mappings", HOLE, 999 << 1), {"Q21"}),
]


def large(first: int, orders: tuple[int, ...], slots: tuple[int, ...]) -> Forge:
    """Entries of those orders that name those slots, from page `first` on."""

    def forge(world: World) -> None:
        for number, (order, slot) in enumerate(zip(orders, slots, strict=True)):
            world.word("mappings", first + number, word_of(slot) | order << 55)

    return forge


@pytest.mark.parametrize(
    ("first", "orders", "slots", "told"),
    [
        (0, (1, 1), (OUT_SLOT, OUT_SLOT + 1), False),
        (0, (1, 0), (OUT_SLOT, OUT_SLOT + 1), True),
        (0, (1, 1), (OUT_SLOT, OUT_SLOT + 2), True),
        (0, (1, 1), (OUT_SLOT + 1, OUT_SLOT + 2), True),
        (1, (1, 1), (OUT_SLOT, OUT_SLOT + 1), True),
        (0, (0, 1), (OUT_SLOT, OUT_SLOT + 1), True),
        (0, (4, 4), (OUT_SLOT, OUT_SLOT + 1), True),
    ],
)
def test_a_large_entry_is_whole(first: int, orders: tuple[int, ...], slots: tuple[int, ...], told: bool) -> None:
    with with_file("has_cache") as world:
        world.word("mappings", OUT, 0)
        large(first, orders, slots)(world)
        assert ("Q23" in broken(world, "has_cache")) == told


@pytest.mark.parametrize("protocol", ["has_cache", "swap_cache"])
def test_a_file_is_lawful(protocol: str) -> None:
    with with_file(protocol) as world:
        assert broken(world, protocol) == set()


@pytest.mark.parametrize(("law", "forge", "expected"), FORGERIES)
def test_a_forged_word_of_a_file_breaks_exactly_its_laws(law: str, forge: Forge, expected: set[str]) -> None:
    with with_file("has_cache") as world:
        forge(world)
        assert broken(world, "has_cache") == expected
        assert law in expected


def test_the_mark_of_a_file_is_of_no_later_version() -> None:
    with with_file("swap_cache") as world:
        world.word("swap_map", OUT_SLOT, SHMEM_BYTE)
        assert {"C3", "C12"} <= broken(world, "swap_cache")


def test_a_page_that_was_lost_is_expected_nowhere() -> None:
    """The word says that the read failed; its slot is free."""
    with with_file("has_cache") as world:
        world.word("mappings", HOLE, (31 << 58 | 2) << 1 | 1)
        world.word("shmem_expected", HOLE, 77)
        assert broken(world, "has_cache") == set()


def test_files_outlive_all_processes() -> None:
    with with_file("has_cache") as world:
        world.put("mms", 0, "state", 0)
        assert broken(world, "has_cache") >= {"Q19"}  # of the process's own pages
    told = ["slot 20", "folio 8"]
    with with_file("has_cache") as world:
        world.put("mms", 0, "state", 0)
        details = " ".join(finding["detail"] for finding in check_at_rest(world.buf, "has_cache"))
    assert not any(words in details for words in told)


def test_a_device_that_is_off_has_no_page_of_a_file() -> None:
    with with_file("has_cache") as world:
        world.put("si", 1, "flags", 0)
        world.word("mappings", HOLE, word_of(9, device=1))
        assert "Q18" in broken(world, "has_cache")
