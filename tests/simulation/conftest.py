"""Cells of a simulation, played in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from workers.simulation.cell import play
from workers.simulation_spec import Cell, CostModel, SimulationSpec, read_cost_model

Simulate = Callable[..., Cell]


@pytest.fixture(scope="session")
def model() -> CostModel:
    return read_cost_model()


@pytest.fixture(scope="session")
def simulate(model: CostModel) -> Simulate:
    """Play one cell: a protocol, CPUs, fields of the spec, and figures of the model as table__figure=value."""

    def played(protocol: str, cpus: int, **fields: Any) -> Cell:
        body = model.model_dump()
        for name in [name for name in fields if "__" in name]:
            table, _, figure = name.partition("__")
            body[table][figure] = fields.pop(name)
        spec = SimulationSpec.model_validate(
            {"virtual_ms": 20.0, **fields, "protocols": [protocol], "cpus": [cpus], "model": body}
        )
        return play(spec, protocol, cpus, lambda: False, lambda _at, _events: None)

    return played
