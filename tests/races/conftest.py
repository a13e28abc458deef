"""Small machines of every sound protocol on every executor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from workers.catalogue import PROTOCOLS
from workers.executors.script import Machine, small_spec


@pytest.fixture(params=["processes", "cooperative"])
def executor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[entry.name for entry in PROTOCOLS.values() if entry.sound])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def schedules(executor: str) -> int:
    """How often a race is played: real CPUs take milliseconds a time, cooperative ones a fraction of one."""
    return 5 if executor == "processes" else 200


@pytest.fixture
def machine(protocol: str, executor: str) -> Callable[..., Machine]:
    """Makes machines; fields of the spec that differ are given by name."""

    def make(**other: Any) -> Machine:
        return Machine(small_spec(protocol, executor, **other))

    return make
