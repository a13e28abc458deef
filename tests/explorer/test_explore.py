"""`explore` on the protocols: the null variant breaks, the sound ones hold, and every figure of a spec comes again."""

from __future__ import annotations

from typing import Any

import pytest

from workers.catalogue import PROTOCOLS, SOUND
from workers.executors.cooperative import explore
from workers.outcome import Violation
from workers.spec import RunSpec

MIX = {
    "load": 4,
    "store": 4,
    "pageout": 3,
    "dontneed": 1,
    "reclaim": 2,
    "fork": 1,
    "exit": 1,
    "cold": 1,
    "willneed": 1,
    "free": 1,
    "move": 1,
}
DISK = {"kind": "disk"}


def spec_of(protocol: str, scenario: str = "thread_fault", *, schedules: int = 2_000, **more: Any) -> RunSpec:
    cooperative = {"schedules": schedules, **more.pop("cooperative", {})}
    if scenario == "mix":
        more.setdefault("mix", MIX)
    body = {"protocol": protocol, "scenario": scenario, "executor": "cooperative", "cooperative": cooperative, **more}
    return RunSpec.model_validate(body)


def run(spec: RunSpec) -> dict[str, Any]:
    return explore(spec, lambda: False, lambda progress: None)


@pytest.mark.parametrize("more", [{}, {"laws": "every_unlock", "cpus": 3}, {"device": DISK}], ids=["zram", "3", "disk"])
def test_the_null_variant_breaks(more: dict[str, Any]) -> None:
    found = run(spec_of("unsynchronized", schedules=500, **more))
    assert found["violations"]
    for violation in found["violations"]:
        assert Violation(**violation).law in found["laws_checked"]


@pytest.mark.parametrize("more", [{}, {"laws": "every_unlock"}, {"device": DISK}], ids=["rest", "unlock", "disk"])
@pytest.mark.parametrize("scenario", ["thread_fault", "fork_fault", "usemem", "mix"])
@pytest.mark.parametrize("protocol", SOUND)
def test_sound_protocols_hold(protocol: str, scenario: str, more: dict[str, Any]) -> None:
    found = run(spec_of(protocol, scenario, **more))
    assert found["violations"] == []
    assert found["schedules"] == 2_000
    assert found["operations"] > 0
    assert found["swap_ins"] > 0


def test_only_has_cache_sleeps_ticks() -> None:
    ticks = {p: run(spec_of(p))["events"]["tick_sleeps"] for p in ("has_cache", "swap_cache")}
    assert ticks["has_cache"] > 0
    assert ticks["swap_cache"] == 0


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
@pytest.mark.parametrize("scenario", ["thread_fault", "mix"])
def test_each_seed_twice(protocol: str, scenario: str) -> None:
    spec = spec_of(protocol, scenario, schedules=300, cpus=3, seed=7)
    once, twice = run(spec), run(spec)
    for found in (once, twice):
        del found["schedules_per_second"], found["cpu_ns"]
    assert once == twice
    other = run(spec_of(protocol, scenario, schedules=300, cpus=3, seed=8))
    assert other["trace_hash"] != once["trace_hash"]


def test_a_violation_replays() -> None:
    found = run(spec_of("unsynchronized", schedules=500))
    for violation in found["violations"]:
        replay = {"scheduler": "replay", "schedule": violation["schedule"]}
        again = run(spec_of("unsynchronized", cooperative=replay))
        assert again["schedules"] == 1
        assert violation["law"] in {v["law"] for v in again["violations"]}
        assert all(v["schedule"] == violation["schedule"] for v in again["violations"])


def test_a_recording_of_another_spec_diverges() -> None:
    found = run(spec_of("unsynchronized", schedules=500, cpus=3))
    replay = {"scheduler": "replay", "schedule": found["violations"][0]["schedule"]}
    with pytest.raises(ValueError, match=r"^diverged at step \d+: recorded cpu 2, it is not enabled; the recording"):
        run(spec_of("unsynchronized", cpus=2, cooperative=replay))


def test_it_stops_when_told_and_keeps_what_it_has() -> None:
    heard: list[dict[str, int]] = []
    found = explore(spec_of("swap_cache", schedules=100_000_000), lambda: len(heard) >= 3, heard.append)
    assert len(heard) == 3
    assert found["schedules"] == heard[-1]["schedules"] > 0
    assert [each["schedules"] for each in heard] == sorted(each["schedules"] for each in heard)


def test_laws_off_looks_at_no_law() -> None:
    found = run(spec_of("unsynchronized", schedules=200, laws="off"))
    assert found["laws_checked"] == []
    assert [v["law"] for v in found["violations"] if v["law"] != "L2"] == []


def test_a_replay_shows_its_steps() -> None:
    found = run(spec_of("unsynchronized", schedules=500))
    replay = {"scheduler": "replay", "schedule": found["violations"][0]["schedule"]}
    again = run(spec_of("unsynchronized", cooperative=replay))
    assert len(again["trace"]) == again["steps"]
    assert {line.split()[2] for line in again["trace"]} == {"cpu0", "cpu1"}
    assert "trace" not in found
