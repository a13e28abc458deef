"""Everything at once: seeded scripts of all operations on all CPUs, and after each play all laws."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from workers.executors.script import Machine, small_spec
from workers.workloads.script import OPERATIONS

# And counts: no page, no mm, in use, no memory, no VMA, busy, a page, no memcg.
EXPECTED = {0, -2, -3, -11, -12, -14, -16, -17, -19}
FILES = {"inodes": 2, "pages": 4}
LARGE_FILES = {**FILES, "orders": (1, 2)}
KNOBS = {"inject", "memory_max", "swap_max"}
Make = Callable[..., Machine]


def random_step(dice: random.Random, mms: int, pages: int, memcgs: int, devices: int) -> tuple[Any, ...]:
    operations = sorted(set(OPERATIONS) - KNOBS)
    weights = [{"load": 6, "store": 6, "pageout": 4, "fork": 2, "mmap": 3}.get(name, 1) for name in operations]
    name = dice.choices(operations, weights)[0]
    pages = FILES["pages"] if name.startswith("shmem_") else pages
    first = dice.randrange(pages)
    values = {
        "mm": dice.randrange(mms),
        "child": dice.randrange(mms),
        "page": first,
        "end": min(pages, first + dice.choice([1, 1, 2, 4])),
        "pages": dice.choice([1, 4, 32]),
        "memcg": dice.randrange(1, 1 + memcgs),
        "to": dice.randrange(pages),
        "inode": dice.randrange(FILES["inodes"]),
        "device": 0 if devices == 1 else dice.randrange(devices),
    }
    return (name, *(values[key] for key in OPERATIONS[name][1]))


def scripts(
    seed: int, steps: int, *, cpus: int = 3, mms: int = 4, pages: int = 8, memcgs: int = 1, devices: int = 1
) -> dict[int, list[tuple[Any, ...]]]:
    dice = random.Random(seed)
    return {cpu: [random_step(dice, mms, pages, memcgs, devices) for _ in range(steps)] for cpu in range(cpus)}


SHAPES: dict[str, dict[str, Any]] = {
    "roomy": {},
    "tight_v1": {"memcg": {"version": 1, "limit_pages": 10}},
    "tight_v2": {"memcg": {"version": 2, "limit_pages": 10, "swap_limit_pages": 14}},
    "tree_v1": {"memcg": {"version": 1, "limit_pages": 12, "children": 2}},
    "tree_v2": {"memcg": {"version": 2, "limit_pages": 12, "swap_limit_pages": 16, "children": 2}},
    "no_folios": {"folios": 18, "memcg": {"limit_pages": 64}},
    "no_slots": {"slots": 16, "memcg": {"limit_pages": 12}},
    "disk": {"device": {"kind": "disk", "read_ns": 3_000, "write_ns": 3_000}, "memcg": {"limit_pages": 12}},
    "large_v1": {"anon_orders": (1, 2), "memcg": {"version": 1, "limit_pages": 20}},
    "large_v2": {"anon_orders": (1, 2, 3), "memcg": {"version": 2, "limit_pages": 20, "swap_limit_pages": 30}},
    "large_disk": {
        "anon_orders": (2,),
        "device": {"kind": "disk", "read_ns": 3_000, "write_ns": 3_000},
        "memcg": {"limit_pages": 20},
    },
    "large_no_slots": {"anon_orders": (1, 2), "slots": 24, "memcg": {"limit_pages": 16}},
    "files_v1": {"shmem": LARGE_FILES, "memcg": {"version": 1, "limit_pages": 20}},
    "files_v2": {"shmem": LARGE_FILES, "memcg": {"version": 2, "limit_pages": 16, "swap_limit_pages": 20}},
    "files_disk": {
        "shmem": LARGE_FILES,
        "device": {"kind": "disk", "read_ns": 3_000, "write_ns": 3_000},
        "memcg": {"limit_pages": 16},
    },
    "files_no_slots": {"shmem": LARGE_FILES, "anon_orders": (1, 2), "slots": 24, "memcg": {"limit_pages": 16}},
    "files_failing": {
        "shmem": LARGE_FILES,
        "inject": {"charge": 50_000},
        "memcg": {"limit_pages": 16},
    },
    "files_zswap": {"shmem": LARGE_FILES, "zswap": {"pool_pages": 6, "shrinker": True}, "memcg": {"limit_pages": 14}},
    "zswap": {"zswap": {"pool_pages": 6, "accept_percent": 50, "shrinker": True}, "memcg": {"limit_pages": 10}},
    "zswap_alone": {"zswap": {"pool_pages": 8, "no_writeback": True}, "memcg": {"limit_pages": 14}},
    "zswap_disk": {
        "zswap": {"pool_pages": 6, "shrinker": True},
        "device": {"kind": "disk", "read_ns": 3_000, "write_ns": 3_000},
        "inject": {"charge": 20_000},
        "memcg": {"version": 1, "limit_pages": 10, "children": 2},
    },
    "two_devices": {
        "device": {"read_ns": 1_000, "write_ns": 1_000, "priority": 1},
        "more_devices": [{"kind": "disk", "read_ns": 3_000, "write_ns": 3_000, "priority": 1}],
        "slots": 24,
        "memcg": {"limit_pages": 10},
    },
    "rotating_and_discarding": {
        "device": {"kind": "disk", "read_ns": 3_000, "write_ns": 3_000, "rotating": True},
        "more_devices": [{"kind": "disk", "read_ns": 1_000, "write_ns": 1_000, "discard": True, "discard_ns": 9_000}],
        "slots": 16,
        "inject": {"table_alloc": 100_000},
        "memcg": {"limit_pages": 10},
    },
    "failing": {"inject": {"charge": 50_000}, "memcg": {"limit_pages": 12}},
    "failing_disk": {
        "inject": {"charge": 50_000},
        "device": {"kind": "disk", "read_ns": 500, "write_ns": 9_000, "queue_depth": 2},
        "memcg": {"version": 1, "limit_pages": 10},
    },
}


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_all_operations_at_once(machine: Make, protocol: str, executor: str, shape: str) -> None:
    """lockdep is on in all of them, and cooperative plays look at the laws under every cluster lock."""
    rounds, schedules, steps = (4, 1, 150) if executor == "processes" else (40, 100, 6)
    m = machine(**{"shmem": FILES, **SHAPES[shape]})
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 8), ("fork", 0, 1), ("store", 1, 2, 6), ("pageout", 0, 0, 8)]})
    for seed in range(rounds):
        geometry = m.plan.geometry
        race = scripts(seed, steps, memcgs=geometry.memcgs, devices=geometry.devices)
        played = m.play_soundly(race, schedules)
        assert protocol in ("has_cache", "has_cache_waitqueue") or played.events["tick_sleeps"] == 0
        got = [result for results in played.results.values() for result in results]
        reused = {-5} if geometry.anon_orders else set()  # a large swap-in whose slots change hands (docs/emulation.md)
        assert {result for result in got if result is None or result < 1} <= EXPECTED | reused
    m.play_soundly({0: [("inject", "charge", 0), ("memory_max", 48), *(("exit", mm) for mm in range(4))]})
    played = m.play_soundly({0: [("swapon",), ("swapoff",), ("swapon",)]})
    assert played.results[0][1:] == [0, 0]
    m.play_soundly({0: [("memcg_online", memcg) for memcg in range(1, 1 + m.plan.geometry.memcgs)]})
    assert m.play_soundly({0: [("mm_init", 0), ("load", 0, 0, 8)]}).events["zero_fill"] == 8


def test_two_seeds_give_two_stories_and_one_seed_one(protocol: str) -> None:
    def story(seed: int) -> list[Any]:
        m = Machine(small_spec(protocol, "cooperative", seed=seed, memcg={"limit_pages": 10}, shmem=FILES))
        m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 8), ("fork", 0, 1)]})
        return m.play(scripts(3, 8), 10)

    assert story(1) == story(1)
    assert [each.recording for each in story(1)] != [each.recording for each in story(2)]
