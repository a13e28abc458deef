"""Every protocol runs every scenario on both executors, and breaks what it is there to break, and nothing else."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.contract.expected import MAY_GET_STUCK, everything, is_expected, of_scenario
from workers.catalogue import PROTOCOLS, SCENARIOS, SOUND
from workers.executors.watch import Silence
from workers.invariants.registry import LAWS
from workers.outcome import Outcome
from workers.run import execute
from workers.spec import RunSpec

SECONDS = 0.1
SCHEDULES = 20
DEADLINE_NS = 60_000_000_000
EXECUTORS: dict[str, dict[str, Any]] = {
    "processes": {"seconds": SECONDS},
    "cooperative": {"cooperative": {"schedules": SCHEDULES}, "pages": 6, "shmem": {"inodes": 1, "pages": 4}},
}


def outcome_of(protocol: str, **fields: Any) -> Outcome:
    spec = RunSpec.model_validate({"protocol": protocol, **fields})
    return execute(spec, lambda _: None, Silence(), time.monotonic_ns() + DEADLINE_NS)


def check(protocol: str, outcome: Outcome) -> None:
    violations = [violation.model_dump() for violation in outcome.violations]
    assert is_expected(protocol, violations), outcome.reason
    assert violations or outcome.status == "succeeded" or protocol in MAY_GET_STUCK, outcome.reason
    for breach in outcome.known:
        assert LAWS[breach.law].known_broken[protocol] == breach.known


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_scenario(protocol: str, scenario: str, executor: str) -> None:
    fields = {**of_scenario(scenario), "executor": executor, **EXECUTORS[executor]}
    if scenario not in ("mix",):
        fields.pop("shmem", None)
    if "trace" in fields or scenario in ("kernel_build",):
        fields.pop("pages", None)
    check(protocol, outcome_of(protocol, **fields))


def test_what_is_known_to_be_broken_is_told_and_fails_no_run() -> None:
    """Museum 38: under cgroup v1 the statistic of the swap cache drifts from 7.0 on."""
    fields = {"scenario": "thread_fault", "pages": 64, "memcg": {"version": 1}, "seconds": SECONDS}
    for protocol in SOUND:
        outcome = outcome_of(protocol, **fields)
        assert outcome.status == "succeeded", outcome.reason
        told = {breach.law: breach.known for breach in outcome.known}
        assert ("Q6" in told) == ("Q6" in LAWS and protocol in LAWS["Q6"].known_broken)
        assert all("museum" in why for why in told.values())


def test_a_mix_has_every_operation() -> None:
    fields = everything(cpus=2, seconds=SECONDS)
    assert RunSpec.model_validate({"protocol": "swap_table", **fields}).mix == fields["mix"]
