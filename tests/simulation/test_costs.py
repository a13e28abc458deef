"""What is charged is what the model says."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.simulation.conftest import Simulate
from workers.simulation_spec import (
    DEFAULT_MODEL,
    CostModel,
    CostModelError,
    SimulationSpec,
    cost_model_toml,
    read_cost_model,
)

EXACT = {"noise__percent": 0.0, "noise__start_ns": 0.0}


def test_device_time_is_paid(simulate: Simulate) -> None:
    fast, slow = (
        simulate("swap_cache", 1, scenario="usemem", device={"read_ns": ns, "write_ns": ns}, virtual_ms=50.0, **EXACT)
        for ns in (0, 5_000)
    )
    assert fast.waits["device"].total_ns <= 20 * fast.waits["device"].count
    per_access = 1e9 / slow.operations_per_second - 1e9 / fast.operations_per_second
    assert 9_000 < per_access < 11_000  # a read and a write


def test_faults_pay_their_way_in_and_out(simulate: Simulate) -> None:
    free, dear = (
        simulate("swap_cache", 1, scenario="usemem", fault__entry_ns=ns, fault__exit_ns=ns, virtual_ms=50.0, **EXACT)
        for ns in (0.0, 1_000.0)
    )
    faults = dear.counted["pgfault"] / dear.counted["operations"]
    more = 1e9 / dear.operations_per_second - 1e9 / free.operations_per_second
    assert more == pytest.approx(2_000 * faults, rel=0.05)


def test_a_munmap_pays_its_way_in_and_out_once(simulate: Simulate) -> None:
    """Though it gives mmap_lock back in two steps."""
    fields = {"scenario": "mix", "mix": {"munmap": 1, "mmap": 1}, "pages": 64, "virtual_ms": 20.0, **EXACT}
    free, dear = (simulate("swap_cache", 1, fault__entry_ns=ns, fault__exit_ns=ns, **fields) for ns in (0.0, 10_000.0))
    assert dear.counted["munmaps"] + dear.counted["mmaps"] == pytest.approx(dear.operations, abs=2)
    more = 1e9 / dear.operations_per_second - 1e9 / free.operations_per_second
    assert more == pytest.approx(20_000, rel=0.05)


def test_a_far_line_costs_more(simulate: Simulate) -> None:
    near, far = (
        simulate("swap_cache", 8, topology__cpus_per_socket=size, topology__cpus_per_core=1) for size in (8, 1)
    )
    assert near.operations_per_second > far.operations_per_second


def test_a_dear_hand_over_makes_a_convoy(simulate: Simulate) -> None:
    fields = {"scenario": "usemem", "virtual_ms": 10.0, "device": {"read_ns": 0, "write_ns": 0}}
    cheap, dear = (
        simulate("swap_cache", 16, lock__handover_same_socket_ns=ns, emulation__lruvec_batch=1, **fields)
        for ns in (10.0, 2_000.0)
    )
    assert dear.locks["lruvec"].total_ns / dear.locks["lruvec"].waited > 5_000
    assert dear.swap_ins < cheap.swap_ins


def test_hits_take_the_lock_where_the_model_says_so(simulate: Simulate) -> None:
    fields = {"scenario": "thread_fault", "pages": 256, "limit_pages": 1024, "step__access_ns": 20.0, "virtual_ms": 1.0}
    without, locked = (simulate("swap_cache", 8, emulation__hits_take_lock=takes, **fields) for takes in (False, True))
    assert without.locks["ptl"].waited == 0
    assert locked.locks["ptl"].waited > 1_000
    assert without.operations_per_second > 3 * locked.operations_per_second


def test_wake_up_latency_is_in_the_folio_wait(simulate: Simulate) -> None:
    short, long = (simulate("swap_cache", 2, wake__latency_same_socket_ns=ns, **EXACT) for ns in (1_000.0, 50_000.0))
    of = [cell.waits["folio_lock"] for cell in (short, long)]
    assert of[1].total_ns / of[1].count - of[0].total_ns / of[0].count > 30_000


def test_a_model_is_read_as_it_is_written(model: CostModel) -> None:
    path = DEFAULT_MODEL
    assert read_cost_model(path) == model


def test_round_trip(model: CostModel, tmp_path: Path) -> None:
    changed = model.model_copy(update={"name": 'a "quoted" \\ name', "circumstances": "two\nlines"})
    (tmp_path / "m.toml").write_text(cost_model_toml(changed))
    (tmp_path / "m.json").write_text(changed.model_dump_json())
    assert read_cost_model(tmp_path / "m.toml") == read_cost_model(tmp_path / "m.json") == changed


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("name =", "is not TOML"),
        ("name = 'x'", "no cost model: circumstances"),
        (None, "no cost model in"),
    ],
)
def test_what_is_no_model(tmp_path: Path, text: str | None, error: str) -> None:
    path = tmp_path / "m.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(CostModelError, match=error):
        read_cost_model(path)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"cpus": [0]}, "cpus: 0 is not from 1 to 1024"),
        ({"cpus": [1025]}, "cpus: 1025 is not from 1 to 1024"),
        ({"cpus": [2, 2]}, "named twice"),
        ({"scenario": "mix"}, "scenario mix needs 'mix'"),
        ({"scenario": "mix", "mix": {"load": 1}, "cpus": [1023]}, "two address spaces more than CPUs"),
    ],
)
def test_what_is_no_spec(model: CostModel, fields: dict[str, object], error: str) -> None:
    with pytest.raises(ValidationError, match=error):
        SimulationSpec.model_validate({"protocols": ["swap_cache"], "cpus": [1], "model": model, **fields})


def test_no_figure_is_free(model: CostModel) -> None:
    body = model.model_dump()
    body["step"]["atomic_ns"] = 0.0
    with pytest.raises(ValidationError, match=r"greater than or equal to 0\.1"):
        CostModel.model_validate(body)
