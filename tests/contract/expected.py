"""What the contract expects: of sound protocols nothing but what their kernels are known to get wrong, of the others
the laws that they are there to break."""

from __future__ import annotations

from typing import Any, get_args

from workers.catalogue import PROTOCOLS, SOUND
from workers.invariants.registry import LAWS
from workers.spec import Operation

UNSOUND = [name for name in PROTOCOLS if name not in SOUND]
# What each may break. A stale page (museum 1) is told where it is mapped, where it is read, and wherever it lies then;
# an id on a free slot (museum 26) where it is recorded, by the id itself, and by all that is counted from it. Nobody
# at all holds a slot under the null protocol: there is no law that it may not break.
MAY_BREAK: dict[str, frozenset[str]] = {
    "unsynchronized": frozenset(LAWS),
    "skip_cache": frozenset({"P3", "T8", "Q15"}),
    "swap_cache_as_posted": frozenset({"T5", "Q11", "Q12", "Q13", "Q18", "Q19"}),
}
MAY_GET_STUCK = ("unsynchronized",)
MAY_END = dict.fromkeys(MAY_GET_STUCK, ("stuck: ", "a CPU "))  # on real CPUs, beside completed: after its first steps

# What a scenario needs beside its defaults, so small that all of them together take a minute.
SMALL: dict[str, dict[str, Any]] = {
    "thread_fault": {"pages": 64},
    "fork_fault": {"pages": 64},
    "usemem": {"pages": 128},
    "trace": {"trace": "cc1"},
    "redis": {"pages": 64},
    "zram_swapin": {"pages": 256},
    "swapoff_loop": {"pages": 64},
    "shmem_fault": {"pages": 64},
}
MORE_LOADS = {"load": 30, "store": 40, "pageout": 10, "reclaim": 5, "mmap": 6}


def every_operation() -> dict[str, int]:
    """Weights of a mix of all operations there are: mostly accesses, and everything else now and then."""
    return {name: MORE_LOADS.get(name, 2) for name in get_args(Operation)}


def everything(**fields: Any) -> dict[str, Any]:
    """A mix of all operations, with the files and the pool that some of them need."""
    return {
        "scenario": "mix",
        "mix": every_operation(),
        "shmem": {"inodes": 2, "pages": 16},
        "zswap": {"pool_pages": 8, "shrinker": True},
        **fields,
    }


def of_scenario(scenario: str) -> dict[str, Any]:
    """Fields of a spec that plays a scenario in little time."""
    return everything(pages=32) if scenario == "mix" else {"scenario": scenario, **SMALL.get(scenario, {})}


def is_expected(protocol: str, violations: list[dict[str, Any]]) -> bool:
    """Whether a play may have broken what it broke."""
    return {violation["law"] for violation in violations} <= MAY_BREAK.get(protocol, frozenset())
