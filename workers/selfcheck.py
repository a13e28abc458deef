"""`python -m workers.selfcheck`: every operation of every protocol on both executors, with the laws, as a table.

For whoever has built the core on a new machine, or has written a protocol: it takes seconds and needs no service. Exit
code 0 when every sound protocol does all of it and every unsound one is seen to break, 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from workers.catalogue import PROTOCOLS
from workers.executors.script import Machine, Played, Unsound, small_spec
from workers.workloads.script import Scripts, Step

EXECUTORS = ("processes", "cooperative")
SCHEDULES = {"processes": 3, "cooperative": 100}
BREAKS_WITHIN = {"processes": 200, "cooperative": 2_000}  # plays of an unsound protocol: a handful are enough mostly
# What an unsound protocol breaks at: scripts, and fields of the spec. The memcg of the first is smaller than the mm:
# between a look into the cache and the insertion lies a charge that reclaims. So it does in the second, where few slots
# are free and requests take long: a page goes back to the slot that it had, and who looked before reads what was there.
# The third's pages are dropped between unmap and the last step of reclaim, on cgroup v1.
BREAKING: dict[str, tuple[Scripts, dict[str, Any]]] = {
    "unsynchronized": (
        {cpu: [("load", 0, 0, 8), ("store", 0, 0, 8)] * 4 for cpu in range(3)},
        {"device": {"kind": "zram", "read_ns": 0, "write_ns": 200_000}, "memcg": {"limit_pages": 5}},
    ),
    "skip_cache": (
        {cpu: [("store", 0, 0, 4)] * 8 for cpu in range(3)},
        {
            "pages": 16,
            "slots": 16,
            "memcg": {"limit_pages": 3},
            "inject": {"device_slow": 300_000},
            "device": {"read_ns": 50_000, "write_ns": 50_000},
        },
    ),
    "swap_cache_as_posted": (
        {cpu: [("store", 0, 0, 8), ("pageout", 0, 0, 8), ("dontneed", 0, 0, 8)] * 8 for cpu in range(2)},
        {"device": {"write_ns": 200_000}, "memcg": {"version": 1, "limit_pages": 48}},
    ),
}
EAGAIN, ENOMEM, EFAULT, EBUSY = -11, -12, -14, -16
BEGUN: list[Step] = [("mm_init", 0), ("store", 0, 0, 8)]

DISK = ("device", {"kind": "disk", "read_ns": 2_000, "write_ns": 2_000})


@dataclass(frozen=True)
class Check:
    """Scripts that are played from a fresh machine: `before` by CPU 0, then `race`.

    `expected`: results of the race by CPU, None for a step that may return anything; CPUs whose results are not always
    the same are left out. `fields` of the spec that differ.
    """

    name: str
    race: Scripts
    expected: dict[int, list[int | None]]
    before: Sequence[Step] = ()
    fields: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Row:
    """A check of one protocol on one executor. `detail` says what was wrong; empty when it is as it must be."""

    protocol: str
    executor: str
    check: str
    good: bool
    detail: str


CHECKS = (
    Check("zero fill", {0: [("mm_init", 0), ("load", 0, 0, 8)]}, {0: [0, 0]}),
    Check("swap out and in", {0: [*BEGUN, ("pageout", 0, 0, 8), ("load", 0, 0, 8)]}, {0: [0, 0, 8, 0]}),
    Check(
        "copy on write",
        {0: [("store", 0, 0, 8), ("load", 0, 0, 8)], 1: [("store", 1, 0, 8), ("load", 1, 0, 8)]},
        {0: [0, 0], 1: [0, 0]},
        (*BEGUN, ("pageout", 0, 0, 4), ("fork", 0, 1)),
    ),
    Check(
        "threads fault at once",
        {0: [("load", 0, 0, 8)], 1: [("store", 0, 0, 8)], 2: [("load", 0, 0, 8)]},
        {0: [0], 1: [0], 2: [0]},
        (*BEGUN, ("pageout", 0, 0, 8)),
    ),
    Check(
        "dontneed while others fault",
        {0: [("load", 0, 0, 8)], 1: [("dontneed", 0, 2, 6)], 2: [("pageout", 0, 0, 8)]},
        {0: [0], 1: [0]},
        (*BEGUN, ("pageout", 0, 0, 4)),
    ),
    Check(
        "reclaim at the limit",
        {0: [("store", 0, 0, 8), ("reclaim", 2), ("memory_max", 3), ("load", 0, 0, 8)]},
        {0: [0, None, 0, 0]},
        (("mm_init", 0),),
        (("memcg", {"limit_pages": 5}),),
    ),
    Check("fork and exit", {0: [("fork", 0, 1), ("exit", 1), ("exit", 1)]}, {0: [0, 0, EAGAIN]}, BEGUN),
    Check(
        "swapoff while others fault",
        {0: [("swapoff",), ("swapon",), ("swapon",)], 1: [("load", 0, 0, 8)], 2: [("fork", 0, 1), ("exit", 1)]},
        {0: [0, 0, EBUSY], 1: [0], 2: [0, 0]},
        (*BEGUN, ("pageout", 0, 0, 8)),
    ),
    Check(
        "failed charge",
        {0: [("inject", "charge", 1_000_000), ("load", 0, 0), ("inject", "charge", 0), ("load", 0, 0)]},
        {0: [0, ENOMEM, 0, 0]},
        (*BEGUN, ("pageout", 0, 0, 8)),
    ),
    Check(
        "a child's memcg goes offline",
        {
            0: [("attach", 1, 3), ("memcg_offline", 2), ("swap_max", 48, 1)],
            1: [("pageout", 1, 0, 8), ("load", 1, 0, 8)],
        },
        {0: [0, 0, 0], 1: [None, 0]},
        (("attach", 1, 2), ("mm_init", 1), ("store", 1, 0, 8), ("memcg_online", 2)),
        (("memcg", {"limit_pages": 48, "children": 2}),),
    ),
    Check(
        "disk and readahead",
        {0: [("load", 0, 0, 8)], 1: [("load", 0, 0, 8)], 2: [("pageout", 0, 0, 8)]},
        {0: [0], 1: [0]},
        (*BEGUN, ("pageout", 0, 0, 8)),
        (DISK,),
    ),
    Check(
        "advice while others fault",
        {0: [("cold", 0, 0, 4), ("willneed", 0, 0, 8)], 1: [("free", 0, 2, 6)], 2: [("load", 0, 0, 8)]},
        {2: [0]},
        (*BEGUN, ("pageout", 0, 4, 8)),
    ),
    Check(
        "moved while others fault",
        {0: [("move", 0, 0, 7), ("load", 0, 0, 8)], 1: [("load", 0, 0, 7)]},
        {0: [None, 0], 1: [0]},
        (*BEGUN, ("dontneed", 0, 7), ("pageout", 0, 0, 4)),
    ),
    Check(
        "unmapped while others fault",
        {
            0: [("munmap", 0, 0, 4), ("load", 0, 0), ("mmap", 0, 0, 4), ("load", 0, 0, 4)],
            1: [("load", 0, 4, 8), ("store", 0, 4, 8)],
            2: [("reclaim", 4)],
        },
        {0: [0, EFAULT, 0, 0], 1: [0, 0]},
        (*BEGUN, ("pageout", 0, 0, 6)),
    ),
    Check(
        "files",
        {0: [("shmem_write", 0, 0, 4)], 1: [("shmem_read", 0, 0, 4), ("reclaim", 2)], 2: [("shmem_truncate", 0, 2, 4)]},
        {0: [0]},
        (("shmem_write", 0, 0, 4), ("reclaim", 4)),
        (("shmem", {"inodes": 1, "pages": 4}),),
    ),
    Check(
        "zswap writes back while others fault",
        {0: [("zswap_writeback", 8)], 1: [("load", 0, 0, 8)]},
        {1: [0]},
        (*BEGUN, ("pageout", 0, 0, 8)),
        (("zswap", {"pool_pages": 8}),),
    ),
)


def check_one(check: Check, protocol: str, executor: str) -> str:
    """Play a check; what was wrong, empty when nothing was."""
    machine = Machine(small_spec(protocol, executor, **dict(check.fields)))
    try:
        machine.play_soundly({0: check.before})
        played = machine.play_soundly(check.race, SCHEDULES[executor])
    except Unsound as unsound:
        return str(unsound)
    for cpu, expected in check.expected.items():
        got = played.results[cpu]
        if any(result != wanted for result, wanted in zip(got, expected, strict=True) if wanted is not None):
            return f"the steps of cpu {cpu} returned {got}, not {expected}"
    return ""


def break_one(protocol: str, executor: str) -> list[Played]:
    """Race a protocol until it is not sound: the last play is not, or nothing was found within BREAKS_WITHIN."""
    scripts, fields = BREAKING.get(protocol, BREAKING["unsynchronized"])
    plays: list[Played] = []
    for seed in range(BREAKS_WITHIN[executor] if executor == "processes" else 1):
        machine = Machine(small_spec(protocol, executor, seed=seed, **fields))
        machine.play_soundly({0: [("mm_init", 0), ("store", 0, 0, fields.get("pages", 8))]})
        plays += machine.play(scripts, 1 if executor == "processes" else BREAKS_WITHIN[executor])
        if not plays[-1].sound:
            break
    return plays


def row_of_unsound(protocol: str, executor: str) -> Row:
    """The row of a protocol that must break."""
    plays = break_one(protocol, executor)
    found = [violation["law"] for violation in plays[-1].violations]
    if plays[-1].sound:
        return Row(protocol, executor, "breaks, as it must", False, f"{len(plays)} races, and no law broken")
    return Row(protocol, executor, f"breaks, as it must ({', '.join(found) or plays[-1].verdict})", True, "")


def run(told: Callable[[Row], None]) -> bool:
    """All rows, each told as soon as it is there; whether all are good."""
    good = True
    for entry in PROTOCOLS.values():
        for executor in EXECUTORS:
            if not entry.sound:
                rows = [row_of_unsound(entry.name, executor)]
            else:
                details = [(check.name, check_one(check, entry.name, executor)) for check in CHECKS]
                rows = [Row(entry.name, executor, name, not detail, detail) for name, detail in details]
            for row in rows:
                told(row)
                good = good and row.good
    return good


def tell(row: Row) -> None:
    """A row of the table, and what was wrong in the lines after it."""
    mark = "ok" if row.good else "FAIL"
    print(f"{row.protocol:<20} {row.executor:<12} {mark:<5} {row.check}", flush=True)
    for line in row.detail.splitlines():
        print(f"    {line}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m workers.selfcheck", description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of the table")
    as_json = parser.parse_args(arguments).json
    return 0 if run(lambda row: print(json.dumps(asdict(row)), flush=True) if as_json else tell(row)) else 1


if __name__ == "__main__":
    sys.exit(main())
