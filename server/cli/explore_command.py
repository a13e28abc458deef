"""`swaprace explore`: look for the interleaving that breaks a protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from server.cli import exits
from server.cli.exits import CommandError
from server.cli.exploration_progress import ExplorationProgress
from server.cli.interrupts import noted_interrupts
from server.cli.output import json_option, print_json, stderr_console, stdout_console
from server.cli.results import core_is_built, db_option, opened_store, settings_for
from server.exploring.names import is_external, wrong_protocol, wrong_scenario
from server.exploring.schemas import Exploration
from server.exploring.texts import beside, covered, headline, how_found, replay_command, summary
from server.exploring.watch import ExplorationWatch
from server.placer.patience import patient
from server.processes import myself
from server.store import Store
from workers.exploration import ExplorationEvent, ExplorationOutcome, ExplorationSpec, TickModel

MOST_SECONDS = 86_400.0  # of an exploration that its schedules end
FIELDS = ExplorationSpec.model_fields
EXIT_CODES = {"clean": exits.OK, "found": exits.REGRESSION, "cancelled": exits.INTERRUPTED}


def _choices(field: str) -> click.Choice[str]:
    return click.Choice([str(value) for value in get_args(FIELDS[field].annotation)])


@click.command("explore")
@click.argument("protocol")
@click.option("--scenario", required=True, help="Race to explore: swaprace scenarios lists them.")
@click.option("--strategy", type=_choices("strategy"), default="portfolio", show_default=True, help="How to search.")
@click.option("--schedules", type=int, default=None, help="End after so many schedules.")
@click.option("--seconds", type=float, default=None, help="End after so long.  [default: 10, without --schedules]")
@click.option("--bound", type=int, default=None, help="Preemptions at most (strategy bound).  [default: 0, 1, 2, ...]")
@click.option("--depth", type=int, default=None, help="Depth of the bugs (strategy pct).  [default: 2, 3, 4 in turn]")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of every choice.")
@click.option("--laws", type=_choices("laws"), default="every_step", show_default=True, help="Where laws are checked.")
@click.option("--tick", type=click.Choice(get_args(TickModel)), default=None, help="When a sleep of one tick may end.")
@click.option("--liveness", is_flag=True, help="Look for cycles without progress and lost wake-ups as well.")
@click.option(
    "--delayed-stores", is_flag=True, help="Unlocks and marked stores may be seen late, up to the next barrier."
)
@click.option("--jobs", type=int, default=1, show_default=True, help="Processes that search at the same time.")
@db_option
@json_option
def explore(protocol: str, db: str | None, as_json: bool, **given: Any) -> None:
    """Play the interleavings of a small race until PROTOCOL breaks a law, deadlocks or stands still.

    PROTOCOL is a name of the catalogue or the museum, or PATH.pyx:Class. Exit code 0 when nothing was found, 3 when
    something was. Exploration and findings are kept in the results database.
    """
    settings = settings_for(db)
    spec = exploration_spec(protocol, given)
    core_is_built()
    with opened_store(settings) as store, noted_interrupts() as came:
        store.bury_explorations()
        exploration = store.begin_exploration(spec, myself(), lease_seconds=settings.lease_seconds)
        outcomes: list[ExplorationOutcome] = []
        with ExplorationProgress(stderr_console(), spec) as progress:

            def on_event(event: ExplorationEvent) -> None:
                progress.show(event)
                outcomes.extend([event.outcome] if event.outcome is not None else [])

            ended = ExplorationWatch(
                patient(store, lambda: bool(came), stop_seconds=settings.kill_after_seconds),
                settings,
                exploration,
                is_stopping=lambda: bool(came),
                on_event=on_event,
                most_seconds=MOST_SECONDS,
            ).watch()
        url = f"http://{settings.host}:{settings.port}/explorations/{ended.id}"
        if as_json:
            print_json(json_body(ended, outcomes[-1] if outcomes else None, url))
        else:
            _show(store, ended, url)
    if came:
        click.echo("interrupted: the exploration is cancelled", err=True)
        raise click.exceptions.Exit(exits.INTERRUPTED)
    raise click.exceptions.Exit(EXIT_CODES.get(ended.state, exits.ERROR))


def exploration_spec(protocol: str, given: dict[str, Any]) -> ExplorationSpec:
    """The spec of an exploration. Raises click.UsageError that says what there is."""
    if is_external(protocol):
        path, _, cls = protocol.rpartition(":")
        if not Path(path).is_file():
            raise click.UsageError(f"there is no protocol file {path}; give PATH.pyx:Class")
        protocol = f"{Path(path).absolute()}:{cls}"
    for wrong in (wrong_protocol(protocol), wrong_scenario(given["scenario"])):
        if wrong is not None:
            raise click.UsageError(wrong)
    try:
        return ExplorationSpec.model_validate({"protocol": protocol, **given})
    except ValidationError as error:
        lines = []
        for item in error.errors():
            name = str(item["loc"][0]) if item["loc"] else ""
            flag = f"--{name.replace('_', '-')} {item['input']}: " if name in given else ""
            lines.append(flag + item["msg"].removeprefix("Value error, "))
        raise click.UsageError("; ".join(lines)) from error


def json_body(ended: Exploration, outcome: ExplorationOutcome | None, url: str) -> dict[str, Any]:
    """What `explore --json` prints: docs/cli.md describes it."""
    told = outcome or ExplorationOutcome(status="failed", reason=ended.reason or "")
    body = told.model_dump(mode="json", exclude={"findings": {"__all__": {"timeline"}}})
    first = told.findings[0].token if told.findings else None
    facts = {"exploration": ended.id, "url": url, "found": bool(told.findings), "token": first}
    return {**facts, **body, "state": ended.state, "spec": ended.spec.model_dump(mode="json")}


def _show(store: Store, ended: Exploration, url: str) -> None:
    console = stdout_console()
    for finding in ended.findings:
        whole = store.finding_of(ended.id, finding.number)
        console.print(
            Text(f"{ended.protocol}, {ended.scenario}: {headline(finding)}", style="bold red"), soft_wrap=True
        )
        for line in beside(whole):
            _say(console, line)
        console.print()
        for line in whole.diagram:
            _say(console, line)
        console.print()
        _say(console, how_found(finding))
        _say(console, "replay it:")
        click.echo(replay_command(finding.token))  # whole on a line of its own, however long: to be copied
        console.print()
    if ended.state in ("failed", "lost"):
        raise CommandError(ended.reason or f"the exploration is {ended.state}")
    if not ended.findings:
        _say(console, f"{ended.protocol}, {ended.scenario}: nothing found")
    for line in covered(ended.strategies):
        _say(console, f"  {line}")
    for breach in ended.known:
        _say(console, f"  law {breach.law} does not hold, as is known ({breach.known})")
    _say(console, f"{summary(ended)}; {url} (start `swaprace serve`)")


def _say(console: Console, line: str) -> None:
    console.print(Text(line), soft_wrap=True)
