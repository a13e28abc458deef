"""Insertion under the cluster lock: whoever loses waits for the winner's folio, never for a tick."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shm.snapshot import Snapshot
from workers.executors.control import figures
from workers.executors.script import Machine, small_spec
from workers.workloads.script import Scripts

ENOMEM = -12
TRIES = 20  # of a collision of real CPUs on a loaded machine
Make = Callable[..., Machine]


@pytest.fixture
def machine(executor: str) -> Make:
    return lambda **other: Machine(small_spec("swap_cache", executor, **other))


@pytest.mark.parametrize("device", ["zram", "disk"])
def test_nobody_sleeps_a_tick(machine: Make, schedules: int, device: str) -> None:
    m = machine(device={"kind": device, "read_ns": 50_000, "write_ns": 1_000}, memcg={"limit_pages": 6})
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 6), ("pageout", 0, 0, 6), ("fork", 0, 1)]})
    race: Scripts = {0: [("load", 0, 0, 6)], 1: [("store", 1, 0, 6)], 2: [("load", 0, 0, 6), ("reclaim", 8)]}
    played = m.play(race, schedules)
    assert all(each.sound for each in played), played[-1].told()
    assert sum(each.events["tick_sleeps"] for each in played) == 0
    assert sum(each.events["swap_ins"] for each in played) > 0


def test_the_loser_waits_for_the_folio_lock(machine: Make) -> None:
    m = machine(device={"kind": "zram", "read_ns": 5_000_000, "write_ns": 0})
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0), ("pageout", 0, 0)]})
    before = figures(m.buf, m.plan)["waits"]["folio_lock"]["count"]
    retries = 0
    for _ in range(TRIES):
        played = m.play_soundly({0: [("load", 0, 0)], 1: [("load", 0, 0)]})
        assert played.results == {0: [0], 1: [0]}
        assert played.events["pswpin"] == 1
        retries += played.events["fault_retry"]
        if retries:
            break
        m.play_soundly({0: [("pageout", 0, 0)]})
    assert retries > 0
    assert figures(m.buf, m.plan)["waits"]["folio_lock"]["count"] > before


def test_the_loser_looks_again_when_the_winners_charge_fails(machine: Make, executor: str) -> None:
    """The charge comes after the insertion: a folio that somebody waits for is taken out again, and was never read."""
    m = machine(device={"kind": "disk", "read_ns": 1_000, "write_ns": 1_000}, readahead_pages=1)
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0), ("pageout", 0, 0)]})
    m.play_soundly({0: [("reclaim", 8), ("inject", "charge", 500_000)]})
    played = m.play({cpu: [("load", 0, 0)] for cpu in range(3)}, 600 if executor == "cooperative" else 20)
    assert all(each.sound for each in played), played[-1].told()
    assert {result for each in played for results in each.results.values() for result in results} <= {0, ENOMEM}
    if executor == "cooperative":
        assert sum(each.events["refault_raced"] for each in played) > 0
        assert sum(each.events["vm_fault_oom"] for each in played) > 0


def test_a_synchronous_device_keeps_no_second_copy(machine: Make) -> None:
    m = machine()
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0, 4), ("pageout", 0, 0, 4), ("load", 0, 0, 4)]})
    with Snapshot(m.buf) as s:
        assert s.device(0).inuse_pages == 0
        assert all("swapcache" not in s.folio(pte.pfn).flags for pte in s.mm(0).ptes if pte.pfn)


def test_a_disk_keeps_its_clean_copy(machine: Make) -> None:
    m = machine(device={"kind": "disk", "read_ns": 1_000, "write_ns": 1_000}, readahead_pages=1)
    m.play_soundly({0: [("mm_init", 0), ("store", 0, 0), ("pageout", 0, 0)]})
    m.play_soundly({0: [("reclaim", 8)]})
    assert m.play_soundly({0: [("load", 0, 0)]}).events["pswpin"] == 1
    with Snapshot(m.buf) as s:
        assert s.device(0).inuse_pages == 1
    again = m.play_soundly({0: [("pageout", 0, 0)]})
    assert again.results == {0: [1]}
    assert again.events["pswpout"] == 0  # clean: nothing to write
