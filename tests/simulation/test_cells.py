"""Protocols in virtual time: they come to their end, keep their laws, and scale as they should."""

from __future__ import annotations

import pytest

from shm.geometry import Geometry
from tests.simulation.conftest import Simulate
from workers.catalogue import SOUND
from workers.simulation.cell import limit_of, pages_of, plan_of, run_of
from workers.simulation_spec import CostModel, SimulationSpec


@pytest.mark.parametrize("scenario", ["thread_fault", "fork_fault", "usemem"])
@pytest.mark.parametrize("protocol", SOUND)
def test_sound_protocols_keep_their_laws(simulate: Simulate, protocol: str, scenario: str) -> None:
    cell = simulate(protocol, 6, scenario=scenario, virtual_ms=10.0)
    assert cell.verdict == "completed"
    assert cell.violations == []
    assert cell.laws_checked
    assert cell.swap_ins > 100


def test_a_disk_has_a_cpu_of_its_own(simulate: Simulate) -> None:
    cell = simulate("swap_cache", 4, device={"kind": "disk", "read_ns": 80_000, "write_ns": 20_000}, virtual_ms=50.0)
    assert cell.verdict == "completed"
    assert cell.violations == []
    assert (cell.latency["max_ns"] or 0) > 80_000
    assert cell.waits["device"].total_ns > 40_000 * cell.waits["device"].count > 0


def test_a_thousand_cpus(simulate: Simulate) -> None:
    """Beyond what a byte, a mask of 64 bits or a real machine holds."""
    for scenario in ("thread_fault", "fork_fault"):
        cell = simulate("swap_cache", 1000, scenario=scenario, virtual_ms=2.0)
        assert cell.verdict == "completed"
        assert cell.violations == []
        assert cell.operations > 1_000


def test_losers_of_has_cache_sleep_and_those_of_swap_cache_do_not(simulate: Simulate) -> None:
    ticks = {name: simulate(name, 8, virtual_ms=100.0).tick_sleeps for name in ("has_cache", "swap_cache")}
    assert ticks["has_cache"] > 20
    assert ticks["swap_cache"] == 0


def test_an_unsound_protocol_is_told(simulate: Simulate) -> None:
    cell = simulate("unsynchronized", 8, virtual_ms=20.0)
    assert cell.violations


def test_waits_add_up(simulate: Simulate) -> None:
    cell = simulate("swap_cache", 16, scenario="usemem", device={"read_ns": 0, "write_ns": 0})
    assert 0 < sum(each.total_ns for each in cell.clusters) <= cell.waits["cluster_lock"].total_ns
    assert cell.locks["cluster"].total_ns == cell.waits["cluster_lock"].total_ns
    assert [each.total_ns for each in cell.clusters] == sorted((each.total_ns for each in cell.clusters), reverse=True)
    assert cell.histogram.total == cell.counted["swap_ins"]
    assert sum(cell.steps.values()) == cell.events


def test_a_cancel_leaves_a_cell_unfinished(model: CostModel) -> None:
    from workers.simulation.cell import play

    asked = iter([False] * 3 + [True] * 1_000)
    spec = SimulationSpec(protocols=["swap_cache"], cpus=[8], virtual_ms=10_000.0, model=model)
    cell = play(spec, "swap_cache", 8, lambda: next(asked), lambda _at, _events: None)
    assert cell.verdict == "cancelled"


def test_one_cpu_has_the_shape_of_a_run_of_real_processes(model: CostModel) -> None:
    from workers.executors.plan import plan

    for scenario in ("thread_fault", "fork_fault", "usemem"):
        for cpus in (1, 2):
            spec = SimulationSpec(protocols=["swap_cache"], cpus=[cpus], scenario=scenario, model=model)
            run = run_of(spec, "swap_cache", cpus)
            real = plan(
                run.model_copy(update={"pages": None, "memcg": run.memcg.model_copy(update={"limit_pages": None})})
            )
            ours = plan_of(run)
            assert ours.shape == real.shape
            differing = {"trace_records"}
            assert {k: v for k, v in vars(ours.geometry).items() if k not in differing} == {
                k: v for k, v in vars(real.geometry).items() if k not in differing
            }


def test_shapes_of_many_cpus(model: CostModel) -> None:
    spec = SimulationSpec(protocols=["swap_cache"], cpus=[1], scenario="fork_fault", model=model)
    assert (pages_of(spec, 1000), limit_of(spec, 1000)) == (2048, 8000)
    largest = plan_of(run_of(spec, "swap_cache", 1024)).geometry
    assert isinstance(largest, Geometry)
    assert (largest.cpus, largest.mms) == (1024, 1024)
