"""`swaprace calibrate`: a protocol against itself on this machine, and the noise floor that this shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from server.calibration import Floor, Machine, NoiseFloor, floors_of
from server.cli.compare_command import run_study
from server.cli.exits import CommandError
from server.cli.output import json_option, print_json, stdout_console, table_for
from server.cli.results import core_is_built, db_option, opened_store, settings_for
from server.cli.spec_options import build_spec, spec_options
from server.compare import Comparison
from server.compare.wording import LABELS
from server.places import this_host
from server.schemas import Calibration
from server.simulating.child import SimulationError, calibrated
from server.store import Store, StoreError
from workers.simulation_spec import cost_model_toml

ARMS = ("a", "a.2")


@click.command("calibrate")
@click.argument("protocol", default="swap_cache")
@spec_options
@click.option("--trials", type=click.IntRange(6, 1000), default=20, show_default=True, help="Pairs of runs.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of the first pair.")
@click.option("--costs", is_flag=True, help="Measure the cost model of swaprace simulate instead; nothing is raced.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), default=None, metavar="FILE",
              help="With --costs: write the model to FILE, as TOML.")  # fmt: skip
@db_option
@json_option
def calibrate(
    protocol: str, trials: int, seed: int, costs: bool, output: Path | None, db: str | None, as_json: bool, **given: Any
) -> None:
    """Race PROTOCOL against itself, and state the noise floor: the change that is the least to be told from none.

    It is kept with this host in the results database, where pages and API show it. With --costs, measure what single
    steps cost on this machine, and print the cost model that swaprace simulate takes.
    """
    if costs:
        core_is_built()
        _costs(output, as_json)
        return
    if output is not None:
        raise click.UsageError("--output belongs to --costs")
    settings = settings_for(db)
    spec = build_spec(protocol, given)
    core_is_built()
    machine = Machine()
    with opened_store(settings) as store:
        study_id = run_study(store, settings, dict.fromkeys(ARMS, spec), trials=trials, seed=seed, name="calibration")
        warnings = machine.warnings(spec.cpus)
        kept, floor = _kept(store, study_id, trials, warnings)
    if as_json:
        print_json({"host": this_host(), "calibration": kept.id, "study": study_id, **floor.model_dump(mode="json")})
    else:
        _show(floor)


def _costs(output: Path | None, as_json: bool) -> None:
    """Measure the cost model and print or write it."""
    try:
        model = calibrated()
        if output is not None:
            output.write_text(cost_model_toml(model), encoding="utf-8")
    except SimulationError as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"cannot write {output}: {error.strerror}") from error
    if as_json:
        print_json(model.model_dump(mode="json"))
    elif output is None:
        click.echo(cost_model_toml(model), nl=False)


def _kept(store: Store, study_id: int, trials: int, warnings: list[str]) -> tuple[Calibration, NoiseFloor]:
    from server.figures import compare_study

    try:
        stored = compare_study(store, study_id, *ARMS)
        comparison = Comparison.model_validate(stored.result)
        if not comparison.comparable:
            raise CommandError(f"nothing is calibrated: {comparison.reason}")
        spec = store.get_run(stored.baseline_runs[0]).spec
        floor = NoiseFloor(
            protocol=spec.protocol,
            scenario=spec.scenario,
            cpus=spec.cpus,
            seconds=spec.seconds,
            trials=trials,
            comparison=stored.id,
            metrics=floors_of(comparison),
            warnings=warnings,
        )
        return store.add_calibration(this_host(), study_id, floor.model_dump(mode="json")), floor
    except (StoreError, ValidationError) as error:
        raise CommandError(str(error)) from error


def _show(floor: NoiseFloor) -> None:
    console = stdout_console()
    console.print(
        f"noise floor of {this_host()}: {floor.protocol}, {floor.scenario}, {floor.cpus} CPUs, {floor.trials} pairs of "
        f"{floor.seconds:g} s",
        style="bold",
        soft_wrap=True,
    )
    table = table_for(console, "", ["", "change below which nothing is told", "spread of single runs"])
    for name, each in floor.metrics.items():
        table.add_row(LABELS[name], *_cells(each))
    console.print(table)
    for name, each in floor.metrics.items():
        if each.reason:
            console.print(f"{LABELS[name]}: {each.reason}", soft_wrap=True, markup=False)
    for warning in floor.warnings:
        console.print(f"warning: {warning}", style="yellow", soft_wrap=True, markup=False)


def _cells(floor: Floor) -> list[str]:
    return ["-" if part is None else f"{part:.1%}".replace("%", " %") for part in (floor.noise, floor.spread)]
