"""`swaprace simulate`: what protocols would do on many CPUs, in virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click
from pydantic import ValidationError
from rich.console import Console

from server.cli import exits
from server.cli.exits import CommandError
from server.cli.interrupts import noted_interrupts
from server.cli.output import json_option, print_json, stderr_console, stdout_console, table_for
from server.cli.results import core_is_built
from server.cli.spec_options import checked_protocol, mix_of
from server.compare.wording import cause_text, ns_text, rate_text
from server.simulating.child import SimulationError, simulation
from workers.simulation_spec import (
    DEFAULT_MODEL,
    Cell,
    CostModelError,
    SimulatedScenario,
    SimulationEvent,
    SimulationOutcome,
    SimulationSpec,
    read_cost_model,
)
from workers.spec import DeviceSpec

EXIT_CODES = {"completed": exits.OK, "invalid": exits.REGRESSION, "cancelled": exits.INTERRUPTED, "failed": exits.ERROR}
FIELDS = SimulationSpec.model_fields
QUANTILES = ("p50_ns", "p99_ns", "p999_ns", "max_ns")
SHOWN_LOCKS = 3
SHOWN_CLUSTERS = 3


class CpuList(click.ParamType):
    """Numbers of CPUs, such as 1,8,64."""

    name = "list"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """Refuses what is no list of numbers."""
        if isinstance(value, list):
            return value
        try:
            return [int(part) for part in str(value).split(",")]
        except ValueError:
            self.fail(f"{value!r} is no list of numbers such as 1,8,64", param, ctx)


def _choices(field: str) -> click.Choice[str]:
    return click.Choice([str(value) for value in get_args(FIELDS[field].annotation)])


@click.command("simulate")
@click.argument("protocols", nargs=-1, required=True, metavar="PROTOCOL..")
@click.option("--cpus", type=CpuList(), default="1,8,64", show_default=True, help="Numbers of CPUs, up to 1024 each.")
@click.option("--scenario", type=click.Choice(get_args(SimulatedScenario)), default="thread_fault", show_default=True,
              help="Workload.")  # fmt: skip
@click.option("--virtual-ms", type=float, default=100.0, show_default=True, help="Virtual time of each cell.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of every choice.")
@click.option("--cost-model", type=click.Path(path_type=Path, dir_okay=False), default=None, metavar="FILE",
              help="TOML or JSON; the default is in docs/cost-model.md.")  # fmt: skip
@click.option("--hz", type=_choices("hz"), default="250", show_default=True, help="Ticks a second.")
@click.option("--device", type=click.Choice(["zram", "disk"]), default="zram", show_default=True, help="Swap device.")
@click.option("--read-us", type=float, default=5.0, show_default=True, help="Time of a device read in us.")
@click.option("--write-us", type=float, default=5.0, show_default=True, help="Time of a device write in us.")
@click.option("--memcg-version", type=_choices("memcg_version"), default="2", show_default=True,
              help="Memory cgroup version.")  # fmt: skip
@click.option("--memcg-limit-pages", "limit_pages", type=int, default=None, help="Memory limit in pages.")
@click.option("--pages", type=int, default=None, help="Pages of one address space; default by scenario and CPUs.")
@click.option("--access", type=_choices("access"), default="sequential", show_default=True, help="Order of accesses.")
@click.option("--store-percent", type=int, default=50, show_default=True, help="Share of stores among accesses.")
@click.option("--mix", type=str, default=None, help="Weights as JSON, or a file of it; implies --scenario mix.")
@click.option("--laws", type=_choices("laws"), default="at_rest", show_default=True, help="When laws are checked.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), default=None, metavar="FILE",
              help="Write figures and tables as one page of HTML.")  # fmt: skip
@json_option
def simulate(protocols: tuple[str, ...], report: Path | None, as_json: bool, **given: Any) -> None:
    """Predict what each PROTOCOL does on many CPUs: the compiled core in virtual time, at the prices of a cost model.

    Equal seeds give equal events. Exit code 0 when every cell came to its end, 3 when a law was violated.
    """
    spec = simulation_spec(protocols, given)
    core_is_built()
    outcome = _played(spec)
    if report is not None and outcome.cells:
        from server.simulating.report import render

        try:
            report.write_text(render(spec, outcome), encoding="utf-8")
        except OSError as error:
            raise CommandError(f"cannot write {report}: {error.strerror}") from error
    if as_json:
        print_json({"spec": spec.model_dump(mode="json", exclude={"model"}), **outcome.model_dump(mode="json")})
    else:
        _show(spec, outcome)
    raise click.exceptions.Exit(EXIT_CODES[outcome.status])


def simulation_spec(protocols: tuple[str, ...], given: dict[str, Any]) -> SimulationSpec:
    """The spec from click's values. Raises click.UsageError."""
    body = {key: value for key, value in given.items() if value is not None}
    path, mix = body.pop("cost_model", DEFAULT_MODEL), body.pop("mix", None)
    if mix is not None:
        body |= {"mix": mix_of(mix), "scenario": "mix"}
    device, read_us, write_us = body.pop("device"), body.pop("read_us"), body.pop("write_us")
    try:
        return SimulationSpec.model_validate(
            {
                **body,
                "hz": int(body["hz"]),
                "memcg_version": int(body["memcg_version"]),
                "protocols": [checked_protocol(name) for name in protocols],
                "device": DeviceSpec(kind=device, read_ns=round(read_us * 1e3), write_ns=round(write_us * 1e3)),
                "model": read_cost_model(path),
            }
        )
    except CostModelError as error:
        raise click.UsageError(f"--cost-model: {error}") from error
    except ValidationError as error:
        wrong = [
            f"{'.'.join(map(str, each['loc']))} {each['msg'].removeprefix('Value error, ')}" for each in error.errors()
        ]
        raise click.UsageError("; ".join(wrong)) from error


def _played(spec: SimulationSpec) -> SimulationOutcome:
    console = stderr_console()
    outcome: SimulationOutcome | None = None
    cells: list[Cell] = []
    with noted_interrupts() as came:
        try:
            with simulation(spec) as events:
                for event in events:
                    outcome = event.outcome or outcome
                    if event.cell is not None:
                        cells.append(event.cell)
                        _tell(console, spec, event, len(cells))
                    if came:
                        break
        except SimulationError as error:
            if not came:
                raise CommandError(str(error)) from error
    if outcome is None:
        return SimulationOutcome(status="cancelled", reason="interrupted", cells=cells, model=spec.model)
    if outcome.status == "failed":
        raise CommandError(outcome.reason)
    return outcome


def _tell(console: Console, spec: SimulationSpec, event: SimulationEvent, ended: int) -> None:
    cell = event.cell
    assert cell is not None
    console.print(
        f"cell {ended} of {len(spec.protocols) * len(spec.cpus)}: {cell.protocol}, {cell.cpus} CPUs: {cell.verdict}, "
        f"{cell.events:,} events, {cell.events_per_second / 1e6:.1f} M/s",
        soft_wrap=True,
        markup=False,
    )


def _show(spec: SimulationSpec, outcome: SimulationOutcome) -> None:
    console = stdout_console()
    title = f"{spec.scenario}, {spec.virtual_ms:g} ms of virtual time, HZ {spec.hz}, seed {spec.seed}: a prediction"
    columns = ["", "CPUs", "accesses", "swap-ins", "p50", "p99", "p99.9", "max", "tick sleeps", "a 1000 swap-ins"]
    table = table_for(console, title, columns)
    for cell in outcome.cells:
        share = cell.tick_sleeps_per_swap_in
        table.add_row(
            cell.protocol,
            str(cell.cpus),
            rate_text(cell.operations_per_second),
            rate_text(cell.swap_ins_per_second),
            *(ns_text(cell.latency[name]) for name in QUANTILES),
            f"{cell.tick_sleeps:,}",
            "-" if share is None else f"{share * 1e3:.3g}",
        )
    console.print(table)
    for cell in outcome.cells:
        for line in (_waits_line(cell), _locks_line(cell)):
            if line:
                console.print(f"{cell.protocol}, {cell.cpus} CPUs: {line}", soft_wrap=True, markup=False)
        for violation in cell.violations:
            told = f"{cell.protocol}, {cell.cpus} CPUs: {violation.law}: {violation.sentence} {violation.detail}"
            console.print(told, style="red", soft_wrap=True, markup=False)
    _show_model(console, spec)


def _waits_line(cell: Cell) -> str:
    """Causes of waiting by their share of the CPUs' time."""
    whole = cell.cpus * max(cell.ended_ns, 1)
    shares = sorted(
        ((wait.total_ns / whole, cause) for cause, wait in cell.waits.items() if wait.total_ns), reverse=True
    )
    told = [f"{cause_text(cause)} {share:.1%}".replace("%", " %") for share, cause in shares if share >= 0.001]
    return f"waits: {', '.join(told)}" if told else ""


def _locks_line(cell: Cell) -> str:
    """The locks and clusters that were waited for longest."""
    locks = sorted(cell.locks.items(), key=lambda each: -each[1].total_ns)[:SHOWN_LOCKS]
    told = [
        f"{name} {ns_text(lock.total_ns)} in {lock.waited:,} of {lock.acquired:,}"
        for name, lock in locks
        if lock.waited
    ]
    clusters = [f"cluster {each.cluster} {ns_text(each.total_ns)}" for each in cell.clusters[:SHOWN_CLUSTERS]]
    return "; ".join(part for part in (f"locks: {', '.join(told)}" if told else "", ", ".join(clusters)) if part)


def _show_model(console: Console, spec: SimulationSpec) -> None:
    """The figures that all rests on."""
    console.print(
        f"cost model: {spec.model.name}; {spec.model.circumstances}", style="dim", soft_wrap=True, markup=False
    )
    for table, figures in spec.model.model_dump().items():
        if isinstance(figures, dict) and table != "sources":
            told = ", ".join(
                f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
                for name, value in figures.items()
            )
            console.print(f"  {table}: {told}", style="dim", soft_wrap=True, markup=False)
