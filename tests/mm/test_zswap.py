"""zswap keeps pages in place of their slots, writes them back when it must, and leaves nothing; zeroes need no copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shm.snapshot import Snapshot
from workers.catalogue import PROTOCOLS
from workers.executors.script import Machine, small_spec
from workers.executors.watch import Silence
from workers.run import execute
from workers.spec import Operation, RunSpec, ZswapSpec
from workers.workloads.script import Scripts

Make = Callable[..., Machine]
PAGES = 6
ENOMEM = -12  # all that the memcg may have is under writeback: of each entry the folio is charged
OUT = ("pageout", 0, 0, PAGES)
STORED = [("mm_init", 0), ("store", 0, 0, PAGES)]
DISK = {"kind": "disk", "read_ns": 1_000, "write_ns": 1_000}
WITHOUT_ZEROMAP = ("skip_cache", "has_cache")
devices = pytest.mark.parametrize("device", [{}, {"device": DISK}], ids=["zram", "disk"])


def pool(pages: int, **other: Any) -> dict[str, Any]:
    """Fields of a spec for a pool of that many pages."""
    return {"zswap": {"pool_pages": pages, **other}}


def kept(m: Machine) -> int:
    """Pages that zswap keeps, as the pool, its lists and the slots tell."""
    with Snapshot(m.buf) as s:
        told = s.zswap()
        slots = [s.slot(0, i) for i in range(1, m.plan.geometry.slots)]
    by_slot = [slot.zswap for slot in slots if slot.zswap]
    assert sorted(by_slot) == sorted(entry for entries in told.lists.values() for entry in entries)
    assert told.stored_pages == len(by_slot)
    return len(by_slot)


@devices
def test_pages_stay_in_the_pool_and_come_back_from_it(machine: Make, device: dict[str, Any]) -> None:
    m = machine(**pool(8), **device, readahead_pages=1)
    out = m.play_soundly({0: [*STORED, OUT]})
    assert out.results[0] == [0, 0, PAGES]
    assert (out.events["zswpout"], out.events["pswpout"]) == (PAGES, 0)
    assert kept(m) == PAGES
    back = m.play_soundly({1: [("load", 0, 0, PAGES)]})
    assert (back.events["zswpin"], back.events["pswpin"]) == (PAGES, 0)
    assert kept(m) == 0
    m.play_soundly({0: [("exit", 0)]})


def test_a_page_that_is_shared_is_loaded_once_and_stored_anew(machine: Make) -> None:
    m = machine(**pool(8))
    m.play_soundly({0: [*STORED, ("fork", 0, 1), ("reclaim", 32)]})
    assert kept(m) == PAGES
    loaded = m.play_soundly({0: [("load", 0, 0, PAGES), ("load", 1, 0, PAGES)]})
    assert loaded.events["zswpin"] == PAGES
    again = m.play_soundly({1: [("store", 0, 0, PAGES), ("reclaim", 32), ("reclaim", 32)]})
    assert again.events["zswpout"] >= PAGES
    m.play_soundly({2: [("load", 0, 0, PAGES), ("load", 1, 0, PAGES), ("exit", 0), ("exit", 1)]})
    assert kept(m) == 0


@devices
def test_entries_get_a_second_chance_and_go_to_the_device_then(machine: Make, device: dict[str, Any]) -> None:
    m = machine(**pool(8), **device, readahead_pages=1)
    m.play_soundly({0: [*STORED, OUT]})
    played = m.play_soundly({0: [("zswap_writeback", 8), ("zswap_writeback", 2), ("zswap_writeback", 8)]})
    assert played.results[0] == [0, 2, PAGES - 2]
    assert (played.events["zswpwb"], played.events["pswpout"]) == (PAGES, PAGES)
    assert kept(m) == 0
    m.play_soundly({0: [("reclaim", 32)] * 3})
    back = m.play_soundly({1: [("load", 0, 0, PAGES)]})
    assert (back.events["zswpin"], back.events["pswpin"]) == (0, PAGES)


def test_what_is_in_the_swap_cache_is_not_written_back(machine: Make) -> None:
    m = machine(**pool(8), device=DISK, readahead_pages=1)
    m.play_soundly({0: [*STORED, OUT, ("zswap_writeback", 8), ("zswap_writeback", 1)]})
    played = m.play_soundly({1: [("load", 0, 0, PAGES), ("zswap_writeback", 8)]})
    assert played.results[1] == [0, 0]
    assert played.events["zswpin"] == PAGES - 1


def test_a_full_pool_sends_pages_to_the_device_and_shrinks(machine: Make) -> None:
    m = machine(**pool(2, accept_percent=50))
    played = m.play_soundly({0: [*STORED, OUT]})
    assert played.results[0] == [0, 0, PAGES]
    assert played.events["zswap_limit_hit"] > 0
    assert played.events["pswpout"] >= PAGES - 2
    assert kept(m) <= 1
    back = m.play_soundly({1: [("load", 0, 0, PAGES), ("exit", 0)]})
    assert back.results[1] == [0, 0]


def test_without_writeback_a_page_that_is_refused_stays(machine: Make) -> None:
    m = machine(**pool(2, no_writeback=True))
    played = m.play_soundly({0: [*STORED, OUT, ("zswap_writeback", 8), ("zswap_writeback", 8)]})
    assert played.results[0] == [0, 0, 2, 0, 0]
    assert (played.events["zswpout"], played.events["pswpout"]) == (2, 0)
    assert m.play_soundly({1: [("load", 0, 0, PAGES)]}).events["zswpin"] == 2


@devices
def test_direct_reclaim_shrinks_the_pool(machine: Make, device: dict[str, Any]) -> None:
    m = machine(**pool(16, shrinker=True), **device, memcg={"limit_pages": 4}, mms=2, pages=16)
    played = m.play_soundly({0: [("mm_init", 0), *[("store", 0, 0, 16)] * 4]})
    assert set(played.results[0]) <= {0, ENOMEM if device else 0}
    assert played.events["zswpwb"] > 0
    m.play_soundly({0: [("exit", 0)]})
    assert kept(m) == 0


@devices
def test_swapoff_and_exit_leave_nothing(machine: Make, device: dict[str, Any]) -> None:
    m = machine(**pool(8), **device)
    m.play_soundly({0: [*STORED, OUT, ("swapoff",)]})
    assert kept(m) == 0
    m.play_soundly({0: [("swapon",), OUT]})
    assert kept(m) == PAGES
    m.play_soundly({0: [("exit", 0)]})
    assert kept(m) == 0


def test_a_failed_write_back_keeps_the_page(machine: Make) -> None:
    m = machine(**pool(8), device=DISK)
    m.play_soundly({0: [*STORED, OUT, ("zswap_writeback", 8), ("inject", "device_error", 1_000_000)]})
    failed = m.play_soundly({0: [("zswap_writeback", 8)]})
    assert failed.results[0] == [PAGES]
    assert failed.events["write_errors"] == PAGES
    assert kept(m) == 0
    m.play_soundly({0: [("inject", "device_error", 0), ("load", 0, 0, PAGES), ("exit", 0)]})


@pytest.mark.parametrize("failure", ["folio_alloc", "charge"])
def test_without_memory_an_entry_stays(machine: Make, failure: str) -> None:
    m = machine(**pool(8))
    m.play_soundly({0: [*STORED, OUT, ("zswap_writeback", 8), ("inject", failure, 1_000_000)]})
    played = m.play_soundly({0: [("zswap_writeback", 8)]})
    assert played.results[0] == [0]
    assert played.events["zswap_reject_reclaim"] == PAGES
    assert kept(m) == PAGES
    m.play_soundly({0: [("inject", failure, 0), ("load", 0, 0, PAGES), ("exit", 0)]})


@pytest.mark.parametrize("version", [1, 2])
def test_entries_of_a_memcg_that_has_gone_are_its_heirs(machine: Make, version: int) -> None:
    m = machine(**pool(8), memcg={"version": version, "limit_pages": 48, "children": 2})
    m.play_soundly({0: [*STORED, OUT, ("attach", 0, 3), ("memcg_offline", 2)]})
    played = m.play_soundly({0: [("zswap_writeback", 8), ("zswap_writeback", 8), ("load", 0, 0, PAGES)]})
    assert played.results[0] == [0, PAGES, 0]
    m.play_soundly({0: [("exit", 0)]})


@devices
def test_all_at_once(machine: Make, schedules: int, device: dict[str, Any]) -> None:
    m = machine(**pool(4, shrinker=True, accept_percent=50), **device, memcg={"limit_pages": 10}, lockdep=True)
    m.play_soundly({0: [*STORED, ("fork", 0, 1), ("reclaim", 8)]})
    race: Scripts = {
        0: [("load", 0, 0, PAGES), OUT, ("zswap_writeback", 4), ("store", 0, 0, PAGES), ("exit", 0)],
        1: [("store", 1, 0, PAGES), ("reclaim", 8), ("zswap_writeback", 4), ("load", 1, 0, PAGES)],
        2: [("zswap_writeback", 4), ("zswap_writeback", 4), ("dontneed", 1, 0, 2), ("swapoff",), ("swapon",)],
    }
    m.play_soundly(race, schedules)


def test_pages_of_zeroes_take_no_copy(machine: Make, protocol: str) -> None:
    m = machine()
    out = m.play_soundly({0: [("mm_init", 0), ("load", 0, 0, PAGES), OUT]})
    zeroes = 0 if protocol in WITHOUT_ZEROMAP else PAGES
    assert (out.events["swpout_zero"], out.events["pswpout"]) == (zeroes, PAGES - zeroes)
    with Snapshot(m.buf) as s:
        assert sum(s.slot(0, i).zero for i in range(1, 48)) == zeroes
    back = m.play_soundly({1: [("load", 0, 0, PAGES)]})
    assert (back.events["swpin_zero"], back.events["pswpin"]) == (zeroes, PAGES - zeroes)
    again = m.play_soundly({1: [("store", 0, 0, PAGES), OUT, ("load", 0, 0, PAGES), ("exit", 0)]})
    assert (again.events["swpout_zero"], again.events["pswpout"]) == (0, PAGES)


def test_zeroes_do_not_go_to_zswap(machine: Make, protocol: str) -> None:
    m = machine(**pool(8))
    out = m.play_soundly({0: [("mm_init", 0), ("load", 0, 0, PAGES), ("store", 0, 0, 2), OUT]})
    assert out.events["zswpout"] == (PAGES if protocol in WITHOUT_ZEROMAP else 2)
    assert kept(m) == out.events["zswpout"]
    m.play_soundly({1: [("load", 0, 0, PAGES), ("swapoff",)]})


def test_a_page_that_was_given_back_reads_as_zeroes(machine: Make) -> None:
    m = machine(**pool(8))
    played = m.play_soundly({0: [*STORED, OUT, ("dontneed", 0, 0, PAGES), ("load", 0, 0, PAGES)]})
    assert played.events["zero_fill"] == 2 * PAGES
    assert kept(m) == 0


@pytest.mark.parametrize("name", [name for name, entry in PROTOCOLS.items() if not entry.sound])
def test_protocols_that_are_not_sound_do_so_alone(name: str) -> None:
    m = Machine(small_spec(name, "cooperative", **pool(4, accept_percent=50)))
    steps = [*STORED, OUT, ("load", 0, 0, 3), ("zswap_writeback", 4), ("zswap_writeback", 4), ("load", 0, 0, PAGES)]
    assert m.play_soundly({0: [*steps, ("store", 0, 0, PAGES), OUT, ("exit", 0)]}).events["zswpin"] > 0
    assert kept(m) == 0


@pytest.mark.parametrize("executor", ["processes", "cooperative"])
@pytest.mark.parametrize("version", [1, 2])
def test_a_run_of_a_mix_with_a_pool(executor: str, version: int) -> None:
    mix = {"load": 6, "store": 4, "pageout": 4, "dontneed": 1, "reclaim": 2, "fork": 1, "exit": 1, "zswap_writeback": 3}
    spec = RunSpec.model_validate(
        {
            "protocol": "has_cache_waitqueue",
            "scenario": "mix",
            "mix": mix,
            "executor": executor,
            "cpus": 3,
            "seconds": 0.5,
            "lockdep": True,
            "cooperative": {"schedules": 300},
            "device": DISK,
            "zswap": {"pool_pages": 5 if executor == "cooperative" else 100, "shrinker": True},
            "memcg": {"version": version},
        }
    )
    outcome = execute(spec, lambda event: None, Silence(), None)
    assert (outcome.status, outcome.violations) == ("succeeded", []), outcome.reason
    assert min(outcome.events[name] for name in ("zswpin", "zswpout", "zswpwb")) > 0


def test_no_arrays_without_zswap() -> None:
    m = Machine(small_spec("has_cache", "cooperative"))
    with Snapshot(m.buf) as s:
        spans = s.arrays()
        with pytest.raises(IndexError, match="zswap"):
            s.zswap()
    assert {name: spans[name].count for name in spans if name.startswith(("zswap", "zeromap"))} == dict.fromkeys(
        ("zeromap", "zswap", "zswap_lrus", "zswap_tree", "zswap_entries", "zswap_next", "zswap_pages"), 0
    )


@pytest.mark.parametrize(
    ("operation", "why"),
    [
        ("zswap_writeback", "'zswap_writeback' in 'mix' needs zswap"),
        ("shmem_read", "the shmem operations of 'mix' need files"),
    ],
)
def test_what_a_mix_does_needs_what_it_is_done_to(operation: Operation, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        RunSpec(protocol="has_cache", scenario="mix", mix={"load": 1, operation: 1})
    assert RunSpec(protocol="has_cache", scenario="mix", mix={"load": 1, operation: 0})


@pytest.mark.parametrize("option", ["shrinker", "no_writeback"])
def test_what_zswap_does_needs_a_pool(option: str) -> None:
    with pytest.raises(ValueError, match="'shrinker' and 'no_writeback' need zswap"):
        ZswapSpec.model_validate({option: True})
