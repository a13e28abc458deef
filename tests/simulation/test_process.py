"""`python -m workers.simulation`: JSON in, JSON lines out, ended by a signal."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from workers.simulation_spec import CostModel, SimulationEvent, SimulationSpec


@pytest.fixture
def checkout(pytestconfig: pytest.Config) -> Path:
    return pytestconfig.rootpath


def started(checkout: Path, line: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "workers.simulation"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=checkout,
    )
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    return process


def test_cells_and_outcome(checkout: Path, model: CostModel) -> None:
    spec = SimulationSpec(protocols=["has_cache", "swap_cache"], cpus=[1, 4], virtual_ms=5.0, model=model)
    out, _ = started(checkout, spec.model_dump_json()).communicate(timeout=60)
    events = [SimulationEvent.model_validate_json(line) for line in out.splitlines()]
    cells = [event.cell for event in events if event.cell is not None]
    assert [(cell.protocol, cell.cpus) for cell in cells] == [
        ("has_cache", 1),
        ("swap_cache", 1),
        ("has_cache", 4),
        ("swap_cache", 4),
    ]
    outcome = events[-1].outcome
    assert outcome is not None
    assert outcome.status == "completed"
    assert outcome.cells == cells
    assert outcome.model == model


def test_a_violated_law_makes_it_invalid(checkout: Path, model: CostModel) -> None:
    spec = SimulationSpec(protocols=["unsynchronized"], cpus=[8], virtual_ms=20.0, model=model)
    out, _ = started(checkout, spec.model_dump_json()).communicate(timeout=60)
    outcome = SimulationEvent.model_validate_json(out.splitlines()[-1]).outcome
    assert outcome is not None
    assert outcome.status == "invalid"
    assert outcome.reason == "laws were violated by unsynchronized on 8 CPUs"


def test_a_signal_cancels(checkout: Path, model: CostModel) -> None:
    spec = SimulationSpec(protocols=["swap_cache"], cpus=[64], virtual_ms=60_000.0, model=model)
    process = started(checkout, spec.model_dump_json())
    assert process.stdout is not None
    first = SimulationEvent.model_validate_json(process.stdout.readline())
    assert first.event == "progress"
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    last: dict[str, Any] = json.loads(out.splitlines()[-1])
    assert last["outcome"]["status"] == "cancelled"
    assert process.returncode == 0
    assert time.monotonic() - began < 10.0


@pytest.mark.parametrize("line", ["", "{}", "no json", '{"protocols": ["swap_cache"], "cpus": [1]}'])
def test_no_spec(checkout: Path, line: str) -> None:
    process = started(checkout, line)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert json.loads(out)["outcome"]["status"] == "failed"


def test_an_unknown_protocol_is_named(checkout: Path, model: CostModel) -> None:
    spec = SimulationSpec(protocols=["nobody"], cpus=[1], model=model)
    out, _ = started(checkout, spec.model_dump_json()).communicate(timeout=30)
    outcome = json.loads(out.splitlines()[-1])["outcome"]
    assert outcome["status"] == "failed"
    assert "protocol 'nobody' is not known" in outcome["reason"]
