"""`python -m bench.protocols`: all sound protocols against the oldest of them, and docs/protocols.md made of it.

One study of the service's own: every protocol under every workload with ticks of 250 and 1000 Hz, in
interleaved blocks, a cell after the other; its comparisons are those of `swaprace study`. The figures go to
docs/protocols.json, the curves of each cell to docs/protocols/, and the page is made of both: `--page` alone
makes it anew from the record.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.protocol_page import page
from server.charts.latency import Curve, draw_percentiles
from server.charts.svg import STYLE, WIDE
from server.compare.arms import arm_figures
from server.compare.compare import compare_runs
from server.compare.curves import ecdf, percentile_curve
from server.compare.models import ArmFigures, Comparison, RunFigures
from server.compare.plots import histograms_of
from server.figures import figures_of
from server.schemas import Arm
from server.store import Store, open_store
from server.study.matrix import cells_of
from workers.catalogue import SOUND

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
RECORD, PAGE, PLOTS = "protocols.json", "protocols.md", "protocols"
BASELINE = "has_cache"
WORKLOADS = ("thread_fault", "fork_fault", "trace")
TRACE = "cc1"
HERTZ = (250, 1000)
METRICS = ("throughput_ops_s", "p50_ns", "p99_ns", "p999_ns")
NAME = "protocols"


def study_file(trials: int, seconds: float, cpus: int) -> str:
    """The study as its file has it (docs/study-format.md)."""
    lines = [
        f'name = "{NAME}"',
        f"repeats = {trials}",
        f'baseline = "{BASELINE}"',
        "[matrix]",
        f"protocol = {json.dumps(SOUND)}",
        f"scenario = {json.dumps([name for name in WORKLOADS if name != 'trace'])}",
        f"hz = {json.dumps(list(HERTZ))}",
        "[spec]",
        f"seconds = {seconds}",
        f"cpus = {cpus}",
    ]
    for hz in HERTZ:
        lines += ["[[include]]", 'scenario = "trace"', f'trace = "{TRACE}"', f"hz = {hz}"]
    return "\n".join(lines) + "\n"


def measured(folder: Path, trials: int, seconds: float, cpus: int) -> str:
    """Run the study; the URL of the database that has it. RuntimeError: it did not come to its end."""
    file, database = folder / f"{NAME}.toml", folder / "results.db"
    file.write_text(study_file(trials, seconds, cpus), encoding="utf-8")
    command = [sys.executable, "-m", "server.cli", "study", str(file), "--db", str(database), "--allow-regression"]
    ended = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
    if ended.returncode != 0:
        raise RuntimeError(f"the study ended with exit code {ended.returncode}: {' '.join(command)}")
    return f"sqlite:///{database}"


def cell_told(store: Store, study: int, arms: Sequence[Arm], folder: Path) -> dict[str, Any]:
    """A cell: what its protocols did, each against the baseline, and its curves in a file."""
    spec = arms[0].spec
    runs = {arm.spec.protocol: figures_of(store, _ids(store, study, arm)) for arm in arms}
    first = runs[BASELINE]
    name = f"{spec.scenario}-{spec.hz}"
    folder.mkdir(exist_ok=True)
    drawing = draw_percentiles([_curve(protocol, found) for protocol, found in runs.items()], spec.hz, WIDE)
    (folder / f"{name}.svg").write_text(drawing.standalone(STYLE.read_text(encoding="utf-8")) + "\n", encoding="utf-8")
    return {
        "scenario": spec.scenario,
        "hz": spec.hz,
        "plot": f"{folder.name}/{name}.svg",
        "arms": {
            protocol: arm_told(found, None if protocol == BASELINE else compare_runs(first, found, metrics=METRICS))
            for protocol, found in runs.items()
        },
    }


def arm_told(runs: Sequence[RunFigures], comparison: Comparison | None) -> dict[str, Any]:
    """The figures of an arm, and its changes against the baseline with their intervals and verdicts."""
    arm: ArmFigures = arm_figures(runs)
    folio = arm.waits.get("folio_lock")
    changes = {} if comparison is None else comparison.metrics
    return {
        "runs": arm.runs,
        "state": arm.state,
        "swap_ins": arm.operations,
        "metrics": {name: getattr(arm, name) for name in METRICS},
        "tick_sleeps": arm.tick_sleeps,
        "folio_waits": folio.count if folio else 0,
        "folio_wait_ns": folio.total_ns if folio else 0,
        "changes": {
            name: {"change": found.change, "ci": found.ci, "verdict": found.verdict} for name, found in changes.items()
        },
    }


def _curve(name: str, runs: Sequence[RunFigures]) -> Curve:
    histograms = histograms_of(runs)
    cumulative = ecdf(histograms)
    return Curve(
        name,
        **percentile_curve(histograms).model_dump(),
        ecdf_ns=cumulative.latency_ns,
        share=cumulative.share,
        tick_sleeps=arm_figures(runs).tick_sleeps,
    )


def _ids(store: Store, study: int, arm: Arm) -> list[int]:
    return [run.id for run in store.study_runs(study, arm.name)]


def circumstances_of(store: Store, study: int) -> dict[str, Any]:
    """Where the first run was measured."""
    first = min(run.id for run in store.study_runs(study))
    environment = store.results_of([first])[0].environment
    names = ("cpu_model", "cores_usable", "kernel", "python", "git_sha")
    load = environment.get("load_average") or [None]
    return {**{name: environment.get(name) for name in names}, "load": load[0]}


def record_of(url: str, out: Path, trials: int, seconds: float, cpus: int) -> dict[str, Any]:
    """All cells of the study in that database, with what they were measured under."""
    store = open_store(url)
    try:
        study = store.get_study(1)
        cells = [cell_told(store, study.id, arms, out / PLOTS) for arms in cells_of(study.arms).values()]
        circumstances = circumstances_of(store, study.id)
    finally:
        store.close()
    order = {name: number for number, name in enumerate(WORKLOADS)}
    cells.sort(key=lambda cell: (order[cell["scenario"]], cell["hz"]))
    asked = {"trials": trials, "seconds": seconds, "cpus": cpus, "baseline": BASELINE, "trace": TRACE}
    return {"asked": asked, "circumstances": circumstances, "cells": cells}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.protocols", description=str(__doc__).split("\n\n")[0])
    parser.add_argument("--trials", type=int, default=8, help="runs of each arm; 8 are the fewest that give verdicts")
    parser.add_argument("--seconds", type=float, default=1.0, help="measured time of a run")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--out", type=Path, default=DOCS, help="folder of protocols.json, protocols.md and the plots")
    parser.add_argument("--page", action="store_true", help="measure nothing: make the page of the record")
    asked = parser.parse_args(arguments)
    if not asked.page:
        with tempfile.TemporaryDirectory() as folder:
            url = measured(Path(folder), asked.trials, asked.seconds, asked.cpus)
            record = record_of(url, asked.out, asked.trials, asked.seconds, asked.cpus)
        (asked.out / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    text = page(json.loads((asked.out / RECORD).read_text(encoding="utf-8")))
    (asked.out / PAGE).write_text(text, encoding="utf-8")
    print(f"{asked.out / PAGE}: {text.count(chr(10))} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
