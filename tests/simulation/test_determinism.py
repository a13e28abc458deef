"""A simulation is a function of its spec: the same events, whatever lies where in memory."""

from __future__ import annotations

import mmap

import pytest

from tests.simulation.conftest import Simulate

MIX = {"load": 4, "store": 4, "pageout": 1, "dontneed": 1, "reclaim": 1, "fork": 1, "exit": 1, "munmap": 1, "mmap": 1}


@pytest.mark.parametrize("scenario", ["thread_fault", "fork_fault", "usemem", "mix"])
@pytest.mark.parametrize("protocol", ["has_cache", "has_cache_waitqueue", "swap_table_count"])
def test_each_seed_twice(simulate: Simulate, protocol: str, scenario: str) -> None:
    fields = {"scenario": scenario, "mix": MIX if scenario == "mix" else None, "virtual_ms": 5.0}
    once = simulate(protocol, 12, **fields)
    garbage = [mmap.mmap(-1, (3 + 7 * i % 40) * mmap.PAGESIZE) for i in range(200)]
    litter = [bytearray(1 + 997 * i % 100_000) for i in range(500)]
    twice = simulate(protocol, 12, **fields)
    assert len(garbage) + len(litter) == 700
    assert once.events > 1_000
    assert once.event_hash == twice.event_hash
    timed = {"seconds", "cpu_seconds", "events_per_second"}
    assert once.model_dump(exclude=timed) == twice.model_dump(exclude=timed)


def test_seeds_differ(simulate: Simulate) -> None:
    assert len({simulate("swap_cache", 4, seed=seed, virtual_ms=2.0).event_hash for seed in range(8)}) == 8


def test_the_model_is_part_of_it(simulate: Simulate) -> None:
    cheap, dear = (simulate("swap_cache", 4, line__same_socket_ns=ns).event_hash for ns in (50.0, 51.0))
    assert cheap != dear


def test_ties_go_to_the_lower_cpu(simulate: Simulate) -> None:
    """Without noise and with one start, all CPUs do the same thing at the same time, again and again."""
    fields = {"noise__percent": 0.0, "noise__start_ns": 0.0, "tick__aligned": True, "store_percent": 0}
    hashes = {simulate("has_cache", 16, **fields).event_hash for _ in range(3)}
    assert len(hashes) == 1


def test_unaligned_ticks_differ_by_cpu(simulate: Simulate) -> None:
    """One to two ticks, whichever way the ticks lie."""
    for aligned in (True, False):
        cell = simulate("has_cache", 8, virtual_ms=100.0, tick__aligned=aligned, tick__wakeup_ns=0.0)
        slept = cell.waits["tick_sleep"]
        assert slept.count == cell.counted["tick_sleeps"] > 20
        assert 4_000_000 < slept.total_ns / slept.count < 8_000_000
        assert slept.max_ns <= 8_000_000
