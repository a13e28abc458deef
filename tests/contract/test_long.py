"""make contract: everything at once, a minute of real time and 100,000 schedules of each sound protocol."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from tests.contract.expected import every_operation, everything
from workers.catalogue import SOUND
from workers.executors.watch import Silence
from workers.outcome import Outcome
from workers.run import execute
from workers.spec import RunSpec

SECONDS = float(os.environ.get("SWAPRACE_CONTRACT_SECONDS", "60"))
SCHEDULES = int(os.environ.get("SWAPRACE_CONTRACT_SCHEDULES", "100000"))
SLOWEST_SCHEDULES_S = 200
DISK = {"kind": "disk", "read_ns": 20_000, "write_ns": 20_000}
WITHOUT_ZSWAP = {name: weight for name, weight in every_operation().items() if name != "zswap_writeback"}
# Machines that share the time of each protocol: each has what the others have not.
MACHINES: dict[str, dict[str, Any]] = {
    "roomy": {"memcg": {"version": 2}},
    "tight_v2": {"memcg": {"version": 2, "limit_pages": 300, "swap_limit_pages": 600, "children": 2}},
    "tight_v1": {"memcg": {"version": 1, "limit_pages": 300, "children": 2}},
    "two_devices": {"device": {"kind": "zram", "priority": 1}, "more_devices": [DISK], "slots": 1024},
    "failing_disk": {"device": DISK, "inject": {"charge": 2_000, "folio_alloc": 2_000, "table_alloc": 20_000}},
    "large": {
        "anon_orders": [1, 2, 3],
        "shmem": {"inodes": 4, "pages": 64, "orders": [1, 2]},
        "zswap": {"pool_pages": 0},  # with a pool nothing is swapped in but single pages
        "mix": WITHOUT_ZSWAP,
        "memcg": {"version": 2, "limit_pages": 300, "children": 2},
    },
}
SMALL = {"pages": 6, "mms": 6, "shmem": {"inodes": 2, "pages": 4}}
SMALL_MACHINES: dict[str, dict[str, Any]] = {
    "roomy": {"memcg": {"version": 2}},
    "tight_v2": {"memcg": {"version": 2, "limit_pages": 10, "swap_limit_pages": 20, "children": 2}},
    "tight_v1": {"memcg": {"version": 1, "limit_pages": 10, "children": 2}},
    "two_devices": {"device": {"kind": "zram", "priority": 1}, "more_devices": [DISK]},
    "failing_disk": {"device": DISK, "inject": {"charge": 20_000, "folio_alloc": 20_000, "table_alloc": 50_000}},
    "large": {
        "anon_orders": [1, 2],
        "shmem": {"inodes": 2, "pages": 4, "orders": [1, 2]},
        "zswap": {"pool_pages": 0},
        "mix": WITHOUT_ZSWAP,
        "memcg": {"version": 2, "limit_pages": 12, "children": 2},
    },
}

pytestmark = [pytest.mark.contract, pytest.mark.timeout(3600)]


def soundly(protocol: str, expected_s: float, **fields: Any) -> Outcome:
    """Run it; every law holds, or the test fails with what does not, and with how to run it again."""
    spec = RunSpec.model_validate({"protocol": protocol, "cpus": 4, "seed": time.time_ns() >> 10 & 0xFFFFFF, **fields})
    outcome = execute(spec, lambda _: None, Silence(), time.monotonic_ns() + int((60 + 4 * expected_s) * 1e9))
    told = [f"{law.law}: {law.detail} (schedule {law.schedule})" for law in outcome.violations]
    assert outcome.status == "succeeded", f"{outcome.reason}\n{told}\n{spec.model_dump_json(exclude_defaults=True)}"
    return outcome


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("protocol", SOUND)
def test_real_time(protocol: str, machine: str) -> None:
    seconds = SECONDS / len(MACHINES)
    fields = everything(zswap={"pool_pages": 100, "shrinker": True}, shmem={"inodes": 4, "pages": 64})
    outcome = soundly(protocol, seconds, **{**fields, "seconds": seconds, "lockdep": True, **MACHINES[machine]})
    print(f"\n{protocol} {machine}: {outcome.metrics['operations']:,} operations in {seconds:g} s, all laws hold")


@pytest.mark.parametrize("machine", SMALL_MACHINES)
@pytest.mark.parametrize("protocol", SOUND)
def test_schedules(protocol: str, machine: str) -> None:
    schedules = SCHEDULES // len(SMALL_MACHINES)
    fields = {**everything(), **SMALL, "executor": "cooperative", "laws": "at_rest", "lockdep": True}
    fields["cooperative"] = {"schedules": schedules, "operations_per_cpu": 4}
    soundly(protocol, SLOWEST_SCHEDULES_S, **{**fields, **SMALL_MACHINES[machine]})
    print(f"\n{protocol} {machine}: {schedules:,} schedules of 16 operations, all laws hold")
