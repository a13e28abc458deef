"""Explorations as the explorer leaves them, made up."""

from __future__ import annotations

from tests.timelines.made import two_faults
from workers.exploration import (
    ExhibitSearch,
    ExhibitTold,
    ExplorationFinding,
    ExplorationOutcome,
    ExplorationSpec,
    StrategyTold,
)

TOKEN = "sr1-AAAA-made-up"
DIAGRAM = [
    "CPU 0                                CPU 1",
    "------------------------------------ -----------------------------------",
    "shrink_folio_list()                  exit_mmap()",
    "  delete_from_swap_cache()             free_swap_and_cache()",
    "                                     0:0: count 1 -> 0",
    "  memcg1_swapout()                   ",
    "0:0: id 0 -> 1",
]
FOUND, CLEAN = ("swap_cache_as_posted", "swap_cache")


def made_spec(protocol: str = FOUND, **other: object) -> ExplorationSpec:
    """A spec of the race of the museum's entry 26."""
    return ExplorationSpec.model_validate({"protocol": protocol, "scenario": "memcg_exit", **other})


def made_finding() -> ExplorationFinding:
    """A finding with a diagram and a timeline."""
    return ExplorationFinding(
        kind="law",
        law="Q11",
        sentence="A free slot has no cgroup id.",
        detail="slot 0:0 is free and has id 1",
        strategy="pct",
        schedules=1_234,
        seconds=0.05,
        steps=24,
        preemptions=1,
        token=TOKEN,
        diagram=DIAGRAM,
        timeline=two_faults(),
    )


def made_exploration(*findings: ExplorationFinding, status: str = "") -> ExplorationOutcome:
    """The end of an exploration that found this, or nothing."""
    told = StrategyTold(
        strategy="dpor",
        schedules=100_000,
        redundant=12,
        steps=2_400_000,
        seconds=0.5,
        exhausted=not findings,
        sentence="exhausted: 100,000 executions, all interleavings of 2 CPUs",
    )
    return ExplorationOutcome.model_validate(
        {
            "status": status or ("found" if findings else "clean"),
            "reason": "It ended as it should.",
            "findings": [each.model_dump() for each in findings],
            "strategies": [told.model_dump()],
            "schedules": 100_000,
            "steps": 2_400_000,
            "seconds": 0.5,
            "schedules_per_second": 200_000.0,
            "exhausted": not findings,
            "starvation": {"cluster": 2},
            "laws_checked": ["Q11", "Q12"],
            "known": [{"law": "Q6", "sentence": "A statistic.", "detail": "7, not 5", "known": "museum 27: as it is"}],
            "environment": {"host": "lab", "git_sha": "0" * 40},
        }
    )


def made_exhibit(number: int, *, found: bool = True) -> ExhibitTold:
    """What a round says of an exhibit: three strategies find it and the counterpart is exhausted; or none does."""
    hit, miss = (ExhibitSearch(found=each, schedules=59, seconds=0.25) for each in (found, False))
    return ExhibitTold(
        number=number,
        lines=4,
        searches={"random": miss, "pct": hit, "pos": hit, "bound": hit, "dpor": miss},
        seeds_strategy="pct",
        seeds_found=20 if found else 0,
        seeds=20,
        seeds_most_seconds=0.5,
        finding=made_finding().model_copy(update={"timeline": None}) if found else None,
        fixed_schedules=26,
        fixed_seconds=0.1,
        fixed_exhausted=True,
        fixed_violation=None,
        fixed_sentence="exhausted: 22 executions",
    )
