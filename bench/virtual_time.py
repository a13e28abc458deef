"""Virtual time: events a second by number of CPUs, and what the calibrated model predicts of real processes.

    python -m bench.virtual_time events
    chrt -r 5 python -m bench.virtual_time predict --seconds 1 --trials 5

The prediction and the runs that it is compared with come from one run of this file: calibrate, then for each cell
`--trials` simulations and as many runs of real processes, whose medians count.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workers.environment import collect
from workers.simulation.calibration import calibrate
from workers.simulation.cell import play
from workers.simulation_spec import (
    Cell,
    CostModel,
    SimulatedScenario,
    SimulationSpec,
    cost_model_toml,
    read_cost_model,
)
from workers.spec import RunSpec

CPUS = (1, 8, 64, 512, 1000)
PROTOCOLS = ("has_cache", "swap_cache")
SCENARIOS: tuple[SimulatedScenario, ...] = ("thread_fault", "fork_fault")
CHECKOUT = Path(__file__).resolve().parent.parent
BAR = 0.25


def simulated(
    protocol: str, scenario: SimulatedScenario, cpus: int, virtual_ms: float, model: CostModel, seed: int = 1
) -> Cell:
    """One cell."""
    spec = SimulationSpec(
        protocols=[protocol], cpus=[cpus], scenario=scenario, virtual_ms=virtual_ms, seed=seed, model=model
    )
    return play(spec, protocol, cpus, lambda: False, lambda _at, _events: None)


def events(virtual_ms: float, trials: int) -> None:
    """Events a second of CPU time; the median of trials, least and most, and the memory that the process has had."""
    model = read_cost_model()
    print("| protocol | scenario | CPUs | events | M events/s | least to most | peak MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for protocol in PROTOCOLS:
        for cpus in CPUS:
            cells = [simulated(protocol, "thread_fault", cpus, virtual_ms, model) for _ in range(trials)]
            rates = sorted(each.events_per_second / 1e6 for each in cells)
            assert len({each.event_hash for each in cells}) == 1, "equal specs, unlike events"
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            print(
                f"| {protocol} | thread_fault | {cpus} | {cells[0].events:,} | {statistics.median(rates):.1f} "
                f"| {rates[0]:.1f} - {rates[-1]:.1f} | {peak} |",
                flush=True,
            )


def real(protocol: str, scenario: SimulatedScenario, cpus: int, seconds: float, seed: int) -> dict[str, Any]:
    """The metrics of one run of real processes."""
    spec = RunSpec(protocol=protocol, scenario=scenario, cpus=cpus, seconds=seconds, seed=seed)
    outcome: dict[str, Any] = {}
    command = [sys.executable, "-m", "workers"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(spec.model_dump_json() + "\n")
        process.stdin.flush()  # and left open: its end would cancel the run
        for line in process.stdout:
            outcome = json.loads(line).get("outcome") or outcome
    assert outcome["status"] == "succeeded", outcome["reason"]
    metrics: dict[str, Any] = outcome["metrics"]
    return metrics


def ratio_of(told: float, seen: float) -> str:
    """By how much a prediction is off, and whether that is within the bar."""
    if seen == 0:
        return "same" if told == 0 else "none seen"
    off = told / seen - 1
    return f"{off:+.0%}" + ("" if abs(off) <= BAR else " **missed**")


def span(values: Sequence[float], form: str) -> str:
    """The median, least and most."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} - {max(values):{form}})"


def predict(seconds: float, trials: int, model: CostModel) -> None:
    """Throughput, and tick sleeps a swap-in, of 1 and 2 CPUs: predicted, measured, and by how much that is off."""
    print(
        "| scenario | protocol | CPUs | accesses/s predicted | measured | off "
        "| tick sleeps of 1000 swap-ins, predicted | measured | off |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for scenario in SCENARIOS:
        for protocol in PROTOCOLS:
            for cpus in (1, 2):
                seeds = range(1, trials + 1)
                cells = [simulated(protocol, scenario, cpus, seconds * 1e3, model, seed) for seed in seeds]
                runs = [real(protocol, scenario, cpus, seconds, seed) for seed in seeds]
                told = [cell.operations_per_second for cell in cells]
                seen = [run["throughput_ops_s"] for run in runs]
                ticks_told = [1e3 * (cell.tick_sleeps_per_swap_in or 0.0) for cell in cells]
                ticks_seen = [1e3 * run["tick_sleeps"] / max(run["swap_ins"], 1) for run in runs]
                off = ratio_of(statistics.median(told), statistics.median(seen))
                ticks_off = ratio_of(statistics.median(ticks_told), statistics.median(ticks_seen))
                print(
                    f"| {scenario} | {protocol} | {cpus} | {span(told, ',.0f')} | {span(seen, ',.0f')} | {off} "
                    f"| {span(ticks_told, '.2f')} | {span(ticks_seen, '.2f')} | {ticks_off} |",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("events", "predict"))
    parser.add_argument("--virtual-ms", type=float, default=50.0)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--model", type=Path, help="a cost model instead of a fresh calibration")
    arguments = parser.parse_args()
    at = collect("swap_cache")
    print(
        f"{time.strftime('%Y-%m-%d')}, {at['cpu_model']}, {at['cores_usable']} CPUs, Linux {at['kernel']}, "
        f"load {at['load_average'][0]:.1f}\n"
    )
    if arguments.what == "events":
        events(arguments.virtual_ms, arguments.trials)
        return
    model = read_cost_model(arguments.model) if arguments.model else calibrate()
    predict(arguments.seconds, arguments.trials, model)
    print("\n```toml\n" + cost_model_toml(model) + "```")


if __name__ == "__main__":
    main()
