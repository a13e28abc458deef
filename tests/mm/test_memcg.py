"""What is charged to whom: memory and swap (v2), memory and memory with swap (v1), and what a failed charge leaves."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from shm.records import Memcg
from shm.snapshot import Snapshot
from workers.executors.script import Machine, small_spec
from workers.invariants.registry import check_known
from workers.workloads.script import Scripts, Step

ESRCH, EAGAIN, ENOMEM, EBUSY, ENODEV = -3, -11, -12, -16, -19
ALL = 1_000_000  # ppm
DISK = {"kind": "disk", "read_ns": 3_000, "write_ns": 3_000}
Make = Callable[..., Machine]


def counters(m: Machine) -> Memcg:
    with Snapshot(m.buf) as s:
        return s.memcg(1)


def world(m: Machine) -> tuple[object, ...]:
    """All that a failed operation must leave as it was. Not the shadows: an insertion that is undone forgets them."""
    with Snapshot(m.buf) as s:
        slots = [s.slot(0, offset) for offset in range(m.plan.geometry.slots)]
        return s.mm(0), s.mm(1), sorted(s.free_folios()), [(slot.byte, slot.memcg, slot.handle) for slot in slots]


@pytest.mark.parametrize(("version", "swap", "memsw"), [(1, 0, 8), (2, 3, 0)])
def test_swap_out_moves_the_charge(machine: Make, version: int, swap: int, memsw: int) -> None:
    m = machine(memcg={"version": version, "limit_pages": 48})
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 8), ("pageout", 0, 0, 3)]})
    out = counters(m)
    assert (out.memory, out.swap, out.memsw, out.nr_swap, out.id_refs) == (5, swap, memsw, 3, 4)
    m.play_soundly({0: [("load", 0, 0, 8), ("exit", 0)]})
    cached = counters(m).memory
    assert (counters(m).swap, counters(m).memsw) == ((0, cached) if version == 1 else (cached, 0))


@pytest.mark.parametrize("version", [1, 2])
def test_dontneed_gives_the_charge_of_a_slot_back(machine: Make, version: int) -> None:
    m = machine(memcg={"version": version, "limit_pages": 48})
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 8), ("pageout", 0, 0, 8), ("dontneed", 0, 0, 8)]})
    left = counters(m)
    assert (left.memory, left.swap, left.memsw, left.nr_swap, left.id_refs) == (0, 0, 0, 0, 1)


def test_swap_max_of_v2_keeps_pages_in_memory(machine: Make) -> None:
    m = machine(memcg={"version": 2, "limit_pages": 48, "swap_limit_pages": 2})
    played = m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 8), ("pageout", 0, 0, 8)]})
    assert played.results == {0: [0, 0, 2]}
    assert (counters(m).memory, counters(m).swap) == (6, 2)
    with Snapshot(m.buf) as s:
        assert s.device(0).inuse_pages == 2


def test_memsw_of_v1_limits_memory_and_swap_together(machine: Make) -> None:
    m = machine(memcg={"version": 1, "limit_pages": 6, "swap_limit_pages": 4})
    played = m.play_soundly({0: [("mm_init", 0), ("mm_init", 1), ("store", 0, 0, 8), ("store", 1, 0, 8)]})
    assert played.results == {0: [0, 0, 0, ENOMEM]}
    assert counters(m).memsw <= 10
    assert m.play_soundly({0: [("exit", 1), ("load", 0, 0, 8)]}).results == {0: [0, 0]}


@pytest.mark.parametrize("version", [1, 2])
def test_counters_stay_whole_while_all_fault_and_reclaim(machine: Make, schedules: int, version: int) -> None:
    m = machine(memcg={"version": version, "limit_pages": 6})
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 6), ("fork", 0, 1), ("store", 1, 0, 3)]})
    race: Scripts = {
        0: [("store", 0, 0, 6), ("pageout", 0, 0, 6)],
        1: [("load", 1, 0, 6), ("dontneed", 1, 3, 5)],
        2: [("reclaim", 8), ("load", 0, 2, 5), ("exit", 1)],
    }
    m.play_soundly(race, schedules)


@pytest.mark.parametrize("device", ["zram", "disk"])
@pytest.mark.parametrize("version", [1, 2])
def test_a_failed_charge_leaves_nothing(machine: Make, version: int, device: str) -> None:
    """At each place where a page is charged: zero fill, copy on write, swap-in, and swap-in for swapoff."""
    kind = DISK if device == "disk" else {"kind": "zram", "read_ns": 0, "write_ns": 0}
    m = machine(memcg={"version": version, "limit_pages": 48}, device=kind, readahead_pages=1)
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 6), ("pageout", 0, 0, 3), ("fork", 0, 1)]})
    if device == "disk":  # writeback first, then the folios are clean and go
        m.play_soundly({0: [("reclaim", 8)]})
        m.play_soundly({0: [("reclaim", 8)]})
        m.play_soundly({0: [("load", 0, 4, 6), ("load", 1, 4, 6)]})
    before, world_before = counters(m), world(m)
    steps: list[Step] = [
        ("inject", "charge", ALL),
        ("store", 0, 7),
        ("store", 1, 4),
        ("load", 0, 0),
        ("store", 1, 1),
        ("swapoff",),
    ]
    played = m.play_soundly({1: steps})
    assert played.results == {1: [0, ENOMEM, ENOMEM, ENOMEM, ENOMEM, ENOMEM]}
    assert counters(m) == before
    assert world(m) == world_before
    with Snapshot(m.buf) as s:
        assert all(s.percpu(cpu).claimed is None for cpu in range(m.plan.workers))
    after = m.play_soundly({2: [("inject", "charge", 0), ("load", 0, 0, 8), ("store", 1, 0, 8), ("swapoff",)]})
    assert after.results == {2: [0, 0, 0, 0]}


@pytest.mark.parametrize("ppm", [20_000, 300_000])
@pytest.mark.parametrize("device", ["zram", "disk"])
def test_charges_fail_now_and_then(machine: Make, schedules: int, device: str, ppm: int) -> None:
    kind = DISK if device == "disk" else {"kind": "zram"}
    m = machine(device=kind)
    m.play_soundly(
        {0: [("mm_init", 0), ("store", 0, 0, 6), ("pageout", 0, 0, 6), ("fork", 0, 1), ("inject", "charge", ppm)]}
    )
    dice = random.Random(ppm)
    race: Scripts = {
        cpu: [
            (dice.choice(["load", "store"]), dice.randrange(2), page, page + 1)
            for page in (dice.randrange(6) for _ in range(10))
        ]
        + [("pageout", 0, 0, 6)] * (cpu == 1)
        for cpu in range(3)
    }
    played = m.play_soundly(race, schedules // 2 + 1)
    assert {r for results in played.results.values() for r in results[:10]} <= {0, ENOMEM}
    healed = m.play_soundly({0: [("inject", "charge", 0), ("load", 0, 0, 6), ("load", 1, 0, 6)]})
    assert healed.results == {0: [0, 0, 0]}


CHILDREN = {"limit_pages": 48, "children": 3}  # memcg 1 above 2, 3 and 4; mm 0 is in 2, mm 1 in 3, mm 2 in 4, mm 3 in 2


def of(m: Machine, memcg: int) -> Memcg:
    with Snapshot(m.buf) as s:
        return s.memcg(memcg)


@pytest.mark.parametrize(("version", "swap", "memsw"), [(1, 0, 8), (2, 3, 0)])
def test_what_a_child_is_charged_its_parent_is(machine: Make, version: int, swap: int, memsw: int) -> None:
    m = machine(memcg={**CHILDREN, "version": version})
    assert [of(m, memcg).parent for memcg in range(5)] == [0, 0, 1, 1, 1]
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 8), ("pageout", 0, 0, 3)]})
    for memcg in (1, 2):
        found = of(m, memcg)
        assert (found.memory, found.swap, found.memsw) == (5, swap, memsw)
    assert (of(m, 1).nr_swap, of(m, 1).id_refs, of(m, 1).members) == (0, 1, 3)
    assert (of(m, 2).nr_swap, of(m, 2).id_refs, of(m, 2).members) == (3, 4, 1)
    m.play_soundly({0: [("mm_init", 1), ("store", 1, 0, 2), ("exit", 0)]})
    assert [of(m, memcg).memory for memcg in range(1, 5)] == [2, 0, 2, 0]
    assert of(m, 2).members == 0


@pytest.mark.parametrize("version", [1, 2])
def test_a_parent_at_its_limit_reclaims_below_all_its_children(machine: Make, version: int) -> None:
    m = machine(memcg={**CHILDREN, "version": version, "limit_pages": 9})
    begun = [("mm_init", mm) for mm in range(3)] + [("store", mm, 0, 8) for mm in range(3)]
    played = m.play_soundly({0: begun})
    assert played.results == {0: [0] * 6}
    assert of(m, 1).memory <= 9
    assert all(of(m, memcg).nr_swap > 0 for memcg in (2, 3, 4))
    assert m.play_soundly({0: [("load", mm, 0, 8) for mm in range(3)]}).results == {0: [0] * 3}


def test_a_child_at_its_own_limit_leaves_its_siblings_alone(machine: Make) -> None:
    m = machine(memcg=CHILDREN)
    m.play_soundly({0: [("mm_init", 0), ("mm_init", 1), ("store", 1, 0, 8), ("memory_max", 3, 2), ("store", 0, 0, 8)]})
    assert of(m, 2).memory <= 3
    assert (of(m, 3).memory, of(m, 3).nr_swap) == (8, 0)
    assert of(m, 1).memory == of(m, 2).memory + 8


def test_the_swap_of_a_parent_limits_its_children(machine: Make) -> None:
    m = machine(memcg={**CHILDREN, "swap_limit_pages": 5})
    begun = [("mm_init", mm) for mm in range(2)] + [("store", mm, 0, 8) for mm in range(2)]
    played = m.play_soundly({0: [*begun, ("swap_max", 2, 2), ("pageout", 0, 0, 8), ("pageout", 1, 0, 8)]})
    assert played.results[0][-2:] == [2, 3]
    assert [of(m, memcg).swap for memcg in (1, 2, 3)] == [5, 2, 3]


@pytest.mark.parametrize("version", [1, 2])
def test_a_charge_that_an_ancestor_refuses_is_rolled_back(machine: Make, version: int) -> None:
    """Without swap there is nothing to reclaim: the parent's limit is the end."""
    m = machine(memcg={**CHILDREN, "version": version, "limit_pages": 4})
    played = m.play_soundly({0: [("mm_init", 0), ("swapoff",), ("store", 0, 0, 8), ("mm_init", 1), ("load", 1, 0)]})
    assert played.results == {0: [0, 0, ENOMEM, 0, ENOMEM]}
    memsw = 4 if version == 1 else 0
    assert [(of(m, memcg).memory, of(m, memcg).memsw) for memcg in (1, 2, 3)] == [(4, memsw), (4, memsw), (0, 0)]
    assert of(m, 1).oom_events == 2
    assert of(m, 2).oom_events == 0


def test_memsw_of_v1_at_its_limit_swaps_nothing(machine: Make) -> None:
    m = machine(memcg={"version": 1, "limit_pages": 8, "swap_limit_pages": 0})
    played = m.play_soundly({0: [("mm_init", 0), ("mm_init", 1), ("store", 0, 0, 8), ("store", 1, 0)]})
    assert played.results == {0: [0, 0, 0, ENOMEM]}
    assert (counters(m).memory, counters(m).memsw, counters(m).nr_swap) == (8, 8, 0)


def test_who_may_go_and_who_may_not(machine: Make) -> None:
    m = machine(memcg=CHILDREN)
    played = m.play_soundly(
        {
            0: [
                *[("mm_init", 0), ("memcg_offline", 1), ("memcg_offline", 2), ("memcg_offline", 3)],
                *[("memcg_offline", 3), ("mm_init", 1), ("attach", 0, 3), ("attach", 0, 4), ("memcg_offline", 2)],
                *[("memcg_online", 4), ("memcg_online", 3), ("mm_init", 1), ("attach", 2, 3)],
            ]
        }
    )
    assert played.results == {0: [0, EBUSY, EBUSY, 0, ENODEV, ENODEV, ENODEV, 0, 0, EBUSY, 0, 0, ESRCH]}
    assert [of(m, memcg).online for memcg in range(1, 5)] == [True, False, True, True]
    assert [of(m, memcg).members for memcg in range(1, 5)] == [2, 0, 1, 1]
    assert [of(m, memcg).id_refs for memcg in range(1, 5)] == [1, 0, 1, 1]


def orphaned(m: Machine) -> None:
    """Memcg 2 is gone, and still charged for the eight pages of mm 0, which has moved to memcg 3."""
    begun = [("mm_init", 0), ("store", 0, 0, 8), ("attach", 0, 3), ("memcg_offline", 2)]
    assert m.play_soundly({0: begun}).results == {0: [0] * 4}
    assert (of(m, 2).memory, of(m, 2).id_refs, of(m, 2).online) == (8, 0, False)


@pytest.mark.parametrize("version", [1, 2])
def test_an_offline_memcg_swaps_out_to_its_parent(machine: Make, version: int) -> None:
    """The id of the dead would name nobody when the slot is freed, and its charge would leak (museum 25)."""
    m = machine(memcg={**CHILDREN, "version": version})
    orphaned(m)
    m.play_soundly({0: [("pageout", 0, 0, 3)]})
    parent, gone = of(m, 1), of(m, 2)
    assert (parent.memory, parent.nr_swap, parent.id_refs) == (5, 3, 4)
    assert (gone.memory, gone.nr_swap, gone.id_refs) == (5, 0, 0)
    swapped = (parent.memsw, gone.memsw) if version == 1 else (parent.swap, gone.swap)
    assert swapped == ((8, 5) if version == 1 else (3, 0))
    m.play_soundly({0: [("dontneed", 0, 0, 8)]})
    for memcg in (1, 2):
        left = of(m, memcg)
        assert (left.memory, left.swap, left.memsw, left.nr_swap) == (0, 0, 0, 0)


@pytest.mark.parametrize("version", [1, 2])
def test_slots_keep_the_id_of_the_offline(machine: Make, version: int) -> None:
    """What has been swapped out before stays the dead memcg's, and so does what follows while its id lives."""
    m = machine(memcg={**CHILDREN, "version": version})
    begun = [("mm_init", 0), ("store", 0, 0, 8), ("pageout", 0, 0, 2), ("attach", 0, 3), ("memcg_offline", 2)]
    m.play_soundly({0: begun})
    assert (of(m, 2).nr_swap, of(m, 2).id_refs) == (2, 2)
    m.play_soundly({0: [("pageout", 0, 2, 3)]})
    assert (of(m, 2).nr_swap, of(m, 2).id_refs, of(m, 1).nr_swap) == (3, 3, 0)
    assert m.play_soundly({0: [("memcg_online", 2)]}).results == {0: [EBUSY]}
    m.play_soundly({0: [("dontneed", 0, 0, 3), ("pageout", 0, 3, 4)]})
    assert (of(m, 2).nr_swap, of(m, 2).id_refs, of(m, 1).nr_swap) == (0, 0, 1)
    played = m.play_soundly({0: [("exit", 0), ("memcg_online", 2), ("mm_init", 0), ("store", 0, 0)]})
    assert played.results == {0: [0, 0, 0, 0]}
    assert (of(m, 2).memory, of(m, 2).id_refs) == (1, 1)


@pytest.mark.parametrize("version", [1, 2])
def test_a_swap_in_charges_the_recorded_memcg_while_it_is_online(machine: Make, version: int) -> None:
    m = machine(memcg={**CHILDREN, "version": version})
    begun = [("mm_init", 0), ("store", 0, 0, 8), ("pageout", 0, 0, 8), ("attach", 0, 3), ("load", 0, 0, 4)]
    m.play_soundly({0: begun})
    assert (of(m, 2).memory, of(m, 3).memory) == (4, 0)
    m.play_soundly({0: [("memcg_offline", 2), ("load", 0, 4, 8)]})
    assert (of(m, 2).memory, of(m, 3).memory, of(m, 1).memory) == (4, 4, 8)


@pytest.mark.parametrize("device", ["zram", "disk"])
@pytest.mark.parametrize("version", [1, 2])
def test_memcgs_go_while_all_fault_and_reclaim(machine: Make, schedules: int, version: int, device: str) -> None:
    kind = DISK if device == "disk" else {"kind": "zram", "read_ns": 2_000, "write_ns": 2_000}
    m = machine(memcg={"version": version, "limit_pages": 7, "children": 2}, device=kind)
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 6), ("fork", 0, 2), ("mm_init", 1), ("store", 1, 0, 3)]})
    race: Scripts = {
        0: [("attach", 0, 3), ("pageout", 0, 0, 6), ("attach", 2, 3), ("memcg_offline", 2), ("store", 0, 0, 6)],
        1: [("load", 2, 0, 6), ("memcg_offline", 2), ("dontneed", 2, 3, 5), ("exit", 2), ("memcg_online", 2)],
        2: [("reclaim", 8), ("store", 1, 0, 6), ("memcg_offline", 2), ("load", 0, 2, 5), ("fork", 0, 3)],
    }
    played = m.play_soundly(race, schedules)
    assert {r for results in played.results.values() for r in results} <= {
        *range(9),
        EBUSY,
        ENODEV,
        ENOMEM,
        ESRCH,
        EAGAIN,
    }
    m.play_soundly({0: [("exit", mm) for mm in range(4)]})


@pytest.mark.parametrize("version", [1, 2])
def test_swapcached_is_what_is_cached_or_known_not_to_be(protocol: str, executor: str, version: int) -> None:
    """Read ahead from a disk, load, and swap out again: the ways by which a folio enters and leaves the swap cache."""
    m = Machine(small_spec(protocol, executor, device=DISK, memcg={"version": version, "limit_pages": 48}))
    steps = [("mm_init", 0), ("store", 0, 0, 8), ("pageout", 0, 0, 8), ("reclaim", 8), ("reclaim", 8)]
    m.play_soundly({0: [*steps, ("load", 0, 0, 8)]})
    m.play_soundly({0: [("pageout", 0, 0, 8), ("reclaim", 8), ("reclaim", 8), ("load", 0, 0, 3)]})
    known = {finding["law"] for finding in check_known(m.buf, protocol)}
    assert known <= {"Q6"}
    assert known == ({"Q6"} if drifts(protocol, version) else set())


def drifts(protocol: str, version: int) -> bool:
    """Whether the version of the kernel loses track of swapcached."""
    if protocol == "swap_table_count":
        return version == 1
    return protocol in {"swap_cache", "swap_table"}
