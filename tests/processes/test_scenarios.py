"""The workload-shaped scenarios: each runs on real CPUs and in one thread, and does what its sentence says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from workers.catalogue import SCENARIOS
from workers.executors.cooperative import explore
from workers.spec import RunSpec
from workers.workloads.catalogue import CLASSES, shape_of, workload

Supervise = Callable[..., Any]
SHAPED = ("redis", "kernel_build", "zram_swapin", "swapoff_loop", "shmem_fault")
SOUND = ("has_cache", "swap_cache", "swap_table_count")


def test_every_scenario_of_the_catalogue_is_one() -> None:
    assert list(CLASSES) == list(SCENARIOS)


@pytest.mark.parametrize("scenario", SHAPED)
@pytest.mark.parametrize("protocol", SOUND)
def test_it_runs_on_real_cpus(supervise: Supervise, protocol: str, scenario: str) -> None:
    supervisor = supervise()
    pages = {"zram_swapin": 8192, "redis": 1024}.get(scenario)
    supervisor.say({"protocol": protocol, "scenario": scenario, "seconds": 0.5, "pages": pages, "cpus": 2})
    outcome = supervisor.outcome()
    assert (outcome.status, outcome.violations) == ("succeeded", []), outcome.reason
    happened = {
        "redis": ("forks", "exits", "swap_ins", "cow"),
        "kernel_build": ("forks", "exits", "zero_fill", "swap_ins"),
        "zram_swapin": ("swap_ins", "pageouts"),
        "swapoff_loop": ("swapoffs", "swap_ins", "pageouts"),
        "shmem_fault": ("swap_ins", "pswpout", "pgsteal"),
    }[scenario]
    assert all(outcome.events[each] > 0 for each in happened), outcome.events


@pytest.mark.parametrize("scenario", SHAPED)
@pytest.mark.parametrize("protocol", SOUND)
def test_it_is_explored_in_one_thread(protocol: str, scenario: str) -> None:
    schedules = 5 if scenario == "kernel_build" else 300
    spec = RunSpec.model_validate(
        {
            "protocol": protocol,
            "scenario": scenario,
            "executor": "cooperative",
            "cooperative": {"schedules": schedules, "operations_per_cpu": 8},
        }
    )
    found = explore(spec, lambda: False, lambda progress: None)
    assert found["violations"] == []
    assert found["schedules"] == schedules
    assert found["operations"] > 0


def test_a_loop_of_swapoff_needs_somebody_else() -> None:
    with pytest.raises(ValueError, match="swapoff_loop needs 2 CPUs"):
        RunSpec(protocol="swap_cache", scenario="swapoff_loop", cpus=1)


def test_a_build_replays_a_recording() -> None:
    shape = shape_of(RunSpec(protocol="swap_cache", scenario="kernel_build", cpus=3))
    assert (shape.mms, shape.pages) == (4, 3572)
    other = shape_of(RunSpec(protocol="swap_cache", scenario="kernel_build", trace="python"))
    assert other.pages == 1633
    with pytest.raises(ValueError, match="'trace' belongs to scenario trace or kernel_build, not to redis"):
        RunSpec(protocol="swap_cache", scenario="redis", trace="cc1")


@pytest.mark.parametrize("pages", [1, 2, 3, 100])
def test_zipf_draws_by_rank(pages: int) -> None:
    """The n-th page is drawn with weight n^-0.99: of 100 pages the first one has 19 % of all draws, the next 10 %."""
    spec = RunSpec(protocol="swap_cache", pages=pages, access="zipf")
    walk = workload(spec, shape_of(spec))
    drawn = Counter(walk.page_of(draw / 20_000) for draw in range(20_000))
    shares = sorted((count / 20_000 for count in drawn.values()), reverse=True)
    weights = [rank**-0.99 for rank in range(1, pages + 1)]
    assert set(drawn) <= set(range(pages))
    assert shares[0] == pytest.approx(weights[0] / sum(weights), rel=0.1)
    if pages == 100:
        assert shares[1] == pytest.approx(weights[1] / sum(weights), rel=0.1)
        assert 0.5 < sum(shares[:10]) < 0.65
