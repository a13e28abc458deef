"""Searches end as they say: with a finding, with all covered, or with the budget spent; and findings shrink."""

from __future__ import annotations

from dataclasses import replace

import pytest

from workers.exploration import ExplorationSpec
from workers.explorer.job import finding_of
from workers.explorer.replay import replay
from workers.explorer.search import Hit, Options, Search
from workers.explorer.shrink import candidates, shrunk
from workers.races import RACES, Race

STRATEGIES = ("random", "pct", "pos", "bound", "dpor")


def spec(protocol: str, scenario: str, **given: object) -> ExplorationSpec:
    return ExplorationSpec.model_validate({"protocol": protocol, "scenario": scenario} | given)


def search(asked: ExplorationSpec, race: Race | None = None) -> tuple[Search, Hit | None]:
    made = Search(asked, race or RACES[asked.scenario])
    return made, made.run()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_finds_the_slot_freed_too_early(strategy: str) -> None:
    _, hit = search(spec("swap_cache_as_posted", "memcg_exit", strategy=strategy, schedules=200_000))
    assert hit is not None
    assert (hit.kind, hit.law, hit.strategy) == ("law", "T5", strategy)


@pytest.mark.parametrize("protocol", ["swap_cache", "swap_table"])
def test_the_fix_has_no_such_interleaving_at_all(protocol: str) -> None:
    made, hit = search(spec(protocol, "memcg_exit", strategy="dpor", schedules=2_000_000))
    assert hit is None
    assert made.exhausted
    assert made.seekers[0].told().sentence.startswith("exhausted: ")


def test_the_aba_of_the_bypass_breaks_the_content_law() -> None:
    _, hit = search(spec("skip_cache", "fault_swap_out_again", strategy="pct", seconds=60.0))
    assert hit is not None
    assert hit.law == "Q15"


def test_a_budget_of_schedules_is_kept_to_the_schedule() -> None:
    made, hit = search(spec("swap_cache", "fault_fault_reclaim", strategy="random", schedules=1_234))
    assert hit is None
    assert made.schedules == 1_234
    assert not made.exhausted
    assert "with 95 % confidence" in made.seekers[0].told().sentence


def test_a_budget_of_seconds_ends_a_portfolio() -> None:
    made, hit = search(spec("swap_cache", "fault_fault_reclaim", seconds=1.0))
    assert hit is None
    assert 0.9 < made.seconds < 5.0
    assert {seeker.strategy for seeker in made.seekers} == set(STRATEGIES)
    assert all(seeker.played for seeker in made.seekers)


def test_equal_seeds_find_equal_schedules() -> None:
    asked = spec("swap_cache_as_posted", "memcg_exit", strategy="random", schedules=200_000, seed=7)
    (_, one), (_, other), (_, third) = search(asked), search(asked), search(asked.model_copy(update={"seed": 8}))
    assert one is not None
    assert other is not None
    assert third is not None
    assert (one.recording, one.schedules) == (other.recording, other.schedules)
    assert third.recording != one.recording


def test_has_cache_repeats_for_ever_and_swap_cache_does_not() -> None:
    """The poller takes and drops the lock that the owner waits for: fair to both, and nobody comes to an end."""
    _, hit = search(spec("has_cache", "fault_fault", strategy="random", liveness=True, schedules=500_000))
    assert hit is not None
    assert (hit.kind, hit.law) == ("livelock", "L1")
    _, hit = search(spec("swap_cache", "fault_fault", strategy="random", liveness=True, schedules=100_000))
    assert hit is None


def test_the_cpu_of_a_disk_that_looks_for_work_is_no_loop() -> None:
    asked = spec("swap_cache", "disk_fault", strategy="dpor", liveness=True, schedules=10_000)
    made, hit = search(asked)
    assert hit is None
    assert made.arena.exhausted
    assert Options.of(asked.model_copy(update={"tick": "any"})).tick == "any"


def test_a_wake_up_is_lost_with_the_one_wait_queue() -> None:
    asked = spec(
        "has_cache_waitqueue", "fault_fault_reclaim", strategy="random", liveness=True, tick="await", seconds=30.0
    )
    _, hit = search(asked)
    assert hit is not None
    assert (hit.kind, hit.law) == ("lost_wakeup", "L2")


def test_nothing_is_played_for_laws_that_nobody_knows_to_be_broken() -> None:
    for asked, looks in (
        (spec("has_cache", "fault_fault"), False),
        (spec("swap_table_count", "fault_reclaim_v1"), True),
        (spec("swap_table_count", "fault_reclaim_v1", laws="off"), False),
    ):
        arena = Options.of(asked).arena(RACES[asked.scenario])
        before = arena.steps
        assert bool(arena.known(50)) == looks
        assert (arena.steps > before) == looks


def test_a_finding_shrinks_to_what_matters() -> None:
    lean = RACES["memcg_exit"]
    padded = replace(
        lean,
        before=(*lean.before, ("load", 0, 0)),
        race=((("reclaim", 1), ("reclaim", 1)), (("exit", 0), ("exit", 0)), (("load", 1, 0),)),
    )
    asked = spec("swap_cache_as_posted", "memcg_exit", strategy="random", schedules=500_000)
    _, hit = search(asked, padded)
    assert hit is not None
    least = shrunk(hit, Options.of(asked))
    assert sorted(least.race.race) == sorted(lean.race)
    assert least.race.before == lean.before
    assert (least.law, least.preemptions) == (hit.law, 1)


def test_candidates_have_one_thing_less() -> None:
    race = Race("r", "", (("mm_init", 0),), ((("load", 0, 0, 4), ("exit", 0)), (("exit", 0),)))
    told = candidates(race)
    assert replace(race, race=(race.race[0],)) in told
    assert replace(race, race=((("load", 0, 0, 2), ("exit", 0)), race.race[1])) in told
    assert replace(race, before=()) in told
    assert race not in told
    assert all(each.race for each in told)


def test_a_finding_is_replayed_from_its_token_byte_for_byte() -> None:
    asked = spec("swap_cache_as_posted", "memcg_exit", strategy="bound")
    _, hit = search(asked)
    assert hit is not None
    found = finding_of(hit, Options.of(asked))
    again = replay(found.token)
    assert again.status == "same"
    assert again.diagram == found.diagram
    assert max(map(len, found.diagram)) <= 72
    assert found.timeline is not None
    assert found.timeline.scenario == "memcg_exit"
