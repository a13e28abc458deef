"""`python -m bench`: the core against its floor in C and against plain Python, as ratios with their circumstances."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench import floor, plain
from bench.measure import Row, circumstances, core_cycle, core_pair, interleaved

ROOT = Path(__file__).resolve().parents[1]
PAIR_ITERATIONS = 5_000_000
CYCLES = 1_000_000
PLAIN_FAULTS = 5_000
FAULT_BAR_US = 1.5
KINDS = ["pair", "cycle", "fault", "laws", "scaling"]
# Every load faults: twice the memory, walked in order, no readahead; the device costs nothing.
FAULT_SPEC = {
    "scenario": "usemem", "cpus": 1, "seconds": 1.0, "access": "sequential", "readahead_pages": 1, "laws": "off",
    "store_percent": 0, "device": {"kind": "zram", "read_ns": 0, "write_ns": 0},
}  # fmt: skip


def pair_rows(program: Path, pairs: int) -> list[Row]:
    def reference() -> float:
        return floor.run(program, "pair", PAIR_ITERATIONS)["cpu_ns"]

    kinds = {"word": 0, "sem": 1}
    return [
        interleaved(
            f"lock + unlock through Cpu (lock={name}) / raw sem_trywait + sem_post",
            reference,
            lambda kind=kind: core_pair(PAIR_ITERATIONS, kind),  # type: ignore[misc]
            pairs=pairs,
            unit="ns",
            bar=1.3,
        )
        for name, kind in kinds.items()
    ]


def cycle_rows(program: Path, pairs: int) -> list[Row]:
    def rows(processes: int, clock: str) -> Row:
        return interleaved(
            f"minimal cycle, {processes} process{'es, shared' if processes > 1 else ''}, clock {clock} / the same in C",
            lambda: floor.run(program, "cycle", processes, "shared", CYCLES, clock)["cpu_ns"],
            lambda: core_cycle(processes, False, CYCLES, use_tsc=clock == "tsc", lock_kind=0)["cpu_ns"],
            pairs=pairs,
            unit="ns",
            bar=1.2,
        )

    return [rows(1, "ns"), rows(1, "tsc"), rows(2, "tsc")]


def core_run(protocol: str, **changes: Any) -> dict[str, Any]:
    """One run in a process of its own. Returns its metrics. Error: RuntimeError when it did not succeed."""
    spec = {"protocol": protocol, **FAULT_SPEC, **changes}
    command = [sys.executable, "-m", "workers"]
    outcome: dict[str, Any] | None = None
    # Standard input stays open: its end would cancel the run.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        run.stdin.write(json.dumps(spec) + "\n")
        run.stdin.flush()
        for line in run.stdout:
            outcome = json.loads(line).get("outcome") or outcome
    if outcome is None or outcome["status"] != "succeeded":
        raise RuntimeError(f"the run did not succeed: {outcome['reason'] if outcome else 'no outcome was printed'}")
    metrics: dict[str, Any] = outcome["metrics"]
    return metrics


def core_fault_us(protocol: str) -> float:
    """CPU time in us of one swap-in fault with the reclaim it causes: all that the workers used, per swap-in."""
    metrics = core_run(protocol)
    return float(metrics["cpu_ns"]) / float(metrics["swap_ins"]) / 1000


def fault_rows(pairs: int) -> list[Row]:
    rows = []
    for protocol in ("swap_cache", "has_cache"):
        row = interleaved(
            f"fault + reclaim, {protocol}: plain Python with posix_ipc / core",
            lambda: plain.fault_and_reclaim_us(PLAIN_FAULTS),
            lambda protocol=protocol: core_fault_us(protocol),  # type: ignore[misc]
            pairs=pairs,
            unit="us",
            bar=20.0,
            gain=lambda reference, candidate: reference / candidate,
        )
        used = sorted(row.reference / ratio for ratio in (row.low, row.high))
        what = f"  the same, us of CPU, {protocol}"
        rows += [row, Row(what, FAULT_BAR_US, row.candidate, "us", row.candidate, used[0], used[1], FAULT_BAR_US)]
    return rows


def laws_rows(pairs: int) -> list[Row]:
    """What the laws cost where they are looked at: a cooperative run of faults and reclaim, CPU time of a swap-in."""
    spec = {"executor": "cooperative", "lockdep": False, "cooperative": {"schedules": 5_000, "operations_per_cpu": 8}}

    def swap_in_us(laws: str) -> float:
        metrics = core_run("swap_cache", **spec, laws=laws)
        return float(metrics["cpu_ns"]) / float(metrics["swap_ins"]) / 1000

    return [
        interleaved(
            f"fault + reclaim, cooperative, laws={laws} / laws=off",
            lambda: swap_in_us("off"),
            lambda laws=laws: swap_in_us(laws),  # type: ignore[misc]
            pairs=pairs,
            unit="us",
            bar=math.inf,
        )
        for laws in ("at_rest", "every_unlock")
    ]


def scaling_rows(pairs: int) -> list[Row]:
    def gain(one: float, two: float) -> float:
        return 2 * one / two

    def throughput(cpus: int) -> float:
        return 1e9 * cpus / float(core_run("swap_cache", cpus=cpus)["throughput_ops_s"])

    return [
        interleaved(
            "two workers on disjoint clusters / one, minimal cycle",
            lambda: core_cycle(1, True, CYCLES, use_tsc=True, lock_kind=0)["wall_ns"],
            lambda: core_cycle(2, True, CYCLES, use_tsc=True, lock_kind=0)["wall_ns"],
            pairs=pairs,
            unit="ns",
            bar=1.7,
            gain=gain,
        ),
        interleaved(
            "two workers on their own memory / one, full fault + reclaim",
            lambda: throughput(1),
            lambda: throughput(2),
            pairs=pairs,
            unit="ns",
            bar=1.7,
            gain=gain,
        ),
    ]


def table(rows: list[Row]) -> str:
    lines = [f"{'what':<78}{'reference':>12}{'core':>12}{'ratio':>8}{'10 to 90 %':>16}{'bar':>9}"]
    for row in rows:
        bar = "-" if math.isinf(row.bar) else f"{'>=' if row.more else '<='}{row.bar:g}"
        lines.append(
            f"{row.what:<78}{row.reference:>9.2f} {row.unit}{row.candidate:>9.2f} {row.unit}{row.ratio:>8.2f}"
            f"{row.low:>8.2f} - {row.high:<5.2f}{bar:>8}{'' if row.reached else '  missed'}"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--pairs", type=int, default=11, help="interleaved pairs of each ratio (default 11)")
    parser.add_argument("--only", choices=KINDS, action="append", help="some rows only")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    options = parser.parse_args()
    if options.pairs < 1:
        parser.error("--pairs: at least 1")
    wanted = options.only or KINDS
    program = floor.build(ROOT / "build" / "floor")
    makers = {
        "pair": lambda: pair_rows(program, options.pairs),
        "cycle": lambda: cycle_rows(program, options.pairs),
        "fault": lambda: fault_rows(options.pairs),
        "laws": lambda: laws_rows(options.pairs),
        "scaling": lambda: scaling_rows(options.pairs),
    }
    rows = [row for name in wanted for row in makers[name]()]
    around = circumstances(ROOT)
    if options.json:
        print(json.dumps({"circumstances": around, "rows": [dataclasses.asdict(row) for row in rows]}, indent=1))
        return 0
    print("; ".join(f"{key} {value}" for key, value in around.items()))
    print(f"medians of {options.pairs} interleaved pairs; ratio: median of the pairs' ratios\n")
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
