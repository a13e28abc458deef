"""`python -m bench.explore`: schedules a second of every strategy, and how they grow with CPUs and scheduling points.

CPU time of one thread. The rows of a table are played in turn, `--rounds` times, and the medians are told, so a machine
that drifts shifts all of them; the ratio to the random walk of the same round stands beside.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from workers.explorer.arena import Arena
from workers.races import RACES, Race
from workers.schedulers.pct import PCT
from workers.schedulers.pos import POS
from workers.schedulers.preemption_bound import PreemptionBound
from workers.schedulers.random_walk import RandomWalk
from workers.schedulers.source_dpor import SourceDpor

ORACLES: dict[str, Callable[[], Any]] = {
    "random walk": lambda: RandomWalk(1),
    "PCT 3": lambda: PCT(1, 3),
    "POS": lambda: POS(1),
    "bound": lambda: PreemptionBound(None),
    "source-DPOR": SourceDpor,
}
BASE = RACES["fault_fault_reclaim"]
PRESENT = replace(BASE, name="from a present page", before=BASE.before[:-1])
LAWS = ("off", "at_rest", "every_step")


class Measured:
    """An arena that plays one oracle on and on."""

    def __init__(self, protocol: str, race: Race, oracle: str, laws: str, *, judge_each: bool = False) -> None:
        self.arena = Arena(protocol, race, laws, "await", judge_each=judge_each)
        self.oracle = oracle
        self.at = 0
        self.arena.use(ORACLES[oracle]())

    def rate(self, seconds: float) -> tuple[float, float]:
        """Schedules a second of CPU time, and steps a schedule, over about `seconds`."""
        played, steps, began = 0, self.arena.steps, time.process_time()
        while time.process_time() - began < seconds:
            count, legal = self.arena.play(self.at, 1_000)
            if not legal:
                raise RuntimeError(f"{self.arena.verdict()}: {self.arena.told()}")
            self.at += count
            played += count
            if self.arena.exhausted:
                self.at = 0
                self.arena.use(ORACLES[self.oracle]())
        return played / (time.process_time() - began), (self.arena.steps - steps) / max(1, played)


def table(title: str, rows: dict[str, Measured], rounds: int, seconds: float) -> None:
    """Measure the rows in turn, and print medians and the ratio to the first row."""
    rates: dict[str, list[float]] = {name: [] for name in rows}
    ratios: dict[str, list[float]] = {name: [] for name in rows}
    steps: dict[str, float] = {}
    for _ in range(rounds):
        first = None
        for name, measured in rows.items():
            rate, steps[name] = measured.rate(seconds)
            first = first or rate
            rates[name].append(rate)
            ratios[name].append(rate / first)
    print(
        f"\n{title}\n\n| row | schedules/s | steps a schedule | M steps/s | ratio to the first |\n"
        "| --- | --- | --- | --- | --- |"
    )
    for name in rows:
        rate = statistics.median(rates[name])
        ratio = statistics.median(ratios[name])
        print(
            f"| {name} | {rate:,.0f} | {steps[name]:.0f} | {rate * steps[name] / 1e6:.1f} | {ratio:.2f} |", flush=True
        )


def faulting(cpus: int, loads: int = 1) -> Race:
    """`cpus` - 1 threads that fault one slot `loads` times, and one that reclaims it as often."""
    thread = (("load", 0, 0),) * loads
    return replace(BASE, race=(thread,) * (cpus - 1) + ((("pageout", 0, 0),) * loads,))


def memory(schedules: int) -> None:
    """Peak memory before and after many schedules of every oracle."""
    print(
        f"\nMemory over {schedules:,} schedules\n\n| row | peak after 10,000, KiB | peak at the end, KiB |\n"
        "| --- | --- | --- |"
    )
    for name in ORACLES:
        measured = Measured("swap_cache", BASE, name, "at_rest")
        measured.arena.play(0, 10_000)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        played = 10_000
        while played < schedules and not measured.arena.exhausted:
            played += measured.arena.play(played, 100_000)[0]
        print(f"| {name} | {before:,} | {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss:,} |", flush=True)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.explore", description=str(__doc__).splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.3, help="of CPU time, for a row and round")
    parser.add_argument("--schedules", type=int, default=3_000_000, help="of the memory table; 0: leave it out")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} CPUs, {platform.machine()}, Linux {platform.release()}, load {load:.1f} at the start")
    for protocol in ("swap_cache", "has_cache"):
        rows = {name: Measured(protocol, BASE, name, "every_step") for name in ORACLES}
        table(
            f"{protocol}, two faults and a reclaim of one slot, laws at every step", rows, given.rounds, given.seconds
        )
    for race, what in ((BASE, "a page that is swapped out"), (PRESENT, "a page that is in memory")):
        for oracle in ("random walk", "PCT 3"):
            rows = {f"laws {laws}": Measured("swap_cache", race, oracle, laws) for laws in LAWS}
            rows["laws every_step, each state"] = Measured("swap_cache", race, oracle, "every_step", judge_each=True)
            table(f"swap_cache, {oracle}, two loads and a pageout of {what}", rows, given.rounds, given.seconds)
            arena = rows["laws every_step"].arena
            print(f"\nThe laws at rest were asked of {arena.judged:,} of {rows['laws every_step'].at:,} states.")
    rows = {
        f"{cpus} CPUs": Measured("swap_cache", faulting(cpus), "random walk", "every_step") for cpus in (2, 3, 4, 8, 16)
    }
    table("swap_cache, random walk, by CPUs", rows, given.rounds, given.seconds)
    rows = {f"{loads} operations each": Measured("swap_cache", faulting(3, loads), "random walk", "every_step")
            for loads in (1, 2, 4, 8, 16)}  # fmt: skip
    table("swap_cache, random walk, 3 CPUs, by scheduling points", rows, given.rounds, given.seconds)
    if given.schedules:
        memory(given.schedules)


if __name__ == "__main__":
    main()
