"""Charges and what is known of them: cgroup v1 counts otherwise than v2, and all that is charged goes up the tree."""

from __future__ import annotations

import pytest

from tests.laws import world as w
from tests.laws.forgeries import Forge, put, word
from tests.laws.test_laws import broken
from tests.laws.world import inhabited
from workers.invariants.registry import LAWS, check_known


@pytest.mark.parametrize(
    ("forge", "expected"),
    [
        (put("memcgs", 1, "memsw", 4), {"Q12"}),
        (put("memcgs", 1, "memory", 3), {"Q12", "Q13"}),
        (word("swap_cgroup", w.CACHED_SLOT, 1), {"Q11", "Q12"}),
        (put("memcgs", 1, "parent", 2), set()),  # no parent has the greater number
        (put("memcgs", 1, "swap", 4), set()),  # no counter of version 1
    ],
)
def test_cgroup_version_1_has_counters_of_its_own(forge: Forge, expected: set[str]) -> None:
    with inhabited(memcg_version=1) as world:
        forge(world)
        assert broken(world) == expected


@pytest.mark.parametrize("synchronous", [None, 0, 1])
def test_who_charges_first_for_any_device_is_excused(synchronous: int | None) -> None:
    """swap_cache charges a folio before it inserts it where a device is synchronous, be it a zram behind a disk."""
    used, writeok, solidstate, synchronous_io = 0x1, 0x2, 0x10, 0x1000
    with inhabited() as world:
        for device in (0, 1):
            flags = used | writeok | solidstate | (synchronous_io if device == synchronous else 0)
            world.put("si", device, "flags", flags)
        world.put("folios", w.CACHED_PFN, "memcg", 2)
        assert "F10" in broken(world, "has_cache")
        assert ("F10" in broken(world, "swap_cache")) == (synchronous is None)


def test_what_is_known_is_told_and_no_news() -> None:
    with inhabited() as world:
        assert check_known(world.buf, "swap_cache") == []
        world.put("memcgs", 1, "swapcached", 7)
        assert broken(world) == set()
        (finding,) = check_known(world.buf, "swap_cache")
        assert (finding["law"], finding["count"]) == ("Q6", 1)
        assert finding["known"] == LAWS["Q6"].known_broken["swap_cache"]
        assert check_known(world.buf, "has_cache") == []
        assert broken(world, "has_cache") == {"Q6"}


def test_charges_go_up_the_tree() -> None:
    """Memcg 2 below memcg 1 is who the mm's pages and slots are charged to: memcg 1's counters stay what they were."""
    for version, counters in ((1, {"memory": 2, "memsw": 3}), (2, {"memory": 2, "swap": 2})):
        with inhabited(version) as world:
            world.put("memcgs", 2, "parent", 1)
            recorded = 1 if version == 1 else 2
            for counter, value in {**counters, "nr_swap": recorded, "id_refs": recorded + 1, "swapcached": 1}.items():
                world.put("memcgs", 2, counter, value)
            for counter, value in {"nr_swap": 0, "id_refs": 1, "swapcached": 0}.items():
                world.put("memcgs", 1, counter, value)
            for pfn in (w.MAPPED_PFN, w.CACHED_PFN):
                world.put("folios", pfn, "memcg", 2)
            world.word("swap_cgroup", w.SWAPPED_SLOT, 2)
            if version == 2:
                world.word("swap_cgroup", w.CACHED_SLOT, 2)
            assert broken(world, "has_cache") == set()
            world.put("memcgs", 2, "parent", 0)
            assert broken(world, "has_cache") == {"Q12", "Q13"}
            world.put("memcgs", 2, "parent", 1)
            world.put("memcgs", 2, "css", 0)
            assert broken(world, "has_cache") == {"Q12"}
            world.put("memcgs", 2, "id_refs", recorded)
            assert broken(world, "has_cache") == set()
