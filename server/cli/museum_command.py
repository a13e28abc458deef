"""`swaprace museum`: historical bugs, and how soon each is found."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from server.cli.exits import ERROR, INTERRUPTED, OK, CommandError
from server.cli.interrupts import noted_interrupts
from server.cli.output import json_option, print_json, stdout_console, table_for
from server.db import utc_now
from server.exploring.child import ExplorerError
from server.exploring.texts import seconds_text
from server.museum.document import counterpart_text, document, in_order, law_of
from server.museum.play import Interrupted, play
from server.museum.record import (
    DOCUMENT,
    RECORD,
    Record,
    RecordError,
    found_by,
    is_kept,
    read_record,
    write_whole,
)
from server.places import this_host
from workers.exhibits import EXHIBITS, Exhibit
from workers.exploration import ExhibitTold, MuseumSpec

ONLY_HELP = "Exhibit by its number; may be given several times."


@click.group("museum", invoke_without_command=True)
@click.option("--only", type=int, multiple=True, metavar="N", help=ONLY_HELP)
@json_option
@click.pass_context
def museum(context: click.Context, only: tuple[int, ...], as_json: bool) -> None:
    """List historical bugs with the schedules and seconds in which the last visit found them."""
    if context.invoked_subcommand is not None:
        return
    exhibits, record = _chosen(only), _record(RECORD)
    if as_json:
        print_json(json_body(exhibits, record))
        return
    console = stdout_console()
    table = table_for(console, "", ["", "bug", "variant", "law", "quickest", "found by", "seeds", "without the bug"])
    for column in (1, 2, 3, 4, 5, 6, 7):
        table.columns[column].justify = "left"
        table.columns[column].overflow = "fold"
        table.columns[column].no_wrap = False
    for exhibit in exhibits:
        played = record.of(exhibit.number) if record else None
        table.add_row(*_row(exhibit, played))
    console.print(table)
    if record is None:
        console.print("not visited yet: swaprace museum run", style="dim")
    else:
        told = f"visited {record.made_at[:10]} on {record.host}, up to {record.seconds:g} s a search; docs/museum.md"
        console.print(told, style="dim", soft_wrap=True)


@museum.command("run")
@click.option("--only", type=int, multiple=True, metavar="N", help=ONLY_HELP)
@click.option(
    "--seconds", type=click.FloatRange(0.1, 3600), default=60.0, show_default=True, help="Time of one search."
)
@click.option("--seeds", type=click.IntRange(1, 1000), default=20, show_default=True, help="Seeds of PCT, or bounding.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    default=RECORD.parent,
    help="Directory of museum.json and museum.md.  [default: docs]",
)
@json_option
def run(only: tuple[int, ...], seconds: float, seeds: int, out: Path, as_json: bool) -> None:
    """Play every exhibit with each strategy, many seeds and its counterpart; write docs/museum.json and docs/museum.md.

    Exit code 1 when one is not found by two strategies and by every seed, or its counterpart is not clean.
    """
    from server.cli.results import core_is_built

    exhibits = _chosen(only)
    core_is_built()
    path = out / RECORD.name
    before = _record(path)
    record = _begun(seconds, before.played if before is not None else [])
    spec = MuseumSpec(seconds=seconds, seeds=seeds)
    kept = 0
    with noted_interrupts() as came:
        for exhibit in exhibits:
            click.echo(f"{exhibit.number}. {exhibit.title}: {exhibit.variant}, {exhibit.race}", err=True)
            began = time.monotonic()
            try:
                played = play(exhibit.number, spec, is_stopping=lambda: bool(came))
            except Interrupted:
                click.echo("interrupted: what was played before is kept", err=True)
                raise click.exceptions.Exit(INTERRUPTED) from None
            except ExplorerError as error:
                click.echo(f"   {error}", err=True)
                continue
            record = record.with_played(played)
            _keep(record, out)
            kept += is_kept(played)
            how = "as promised" if is_kept(played) else "not as promised"
            click.echo(f"   {how}, {time.monotonic() - began:.0f} s", err=True)
    if as_json:
        print_json(json_body(exhibits, record))
    raise click.exceptions.Exit(OK if kept == len(exhibits) else ERROR)


def json_body(exhibits: list[Exhibit], record: Record | None) -> dict[str, Any]:
    """What `museum --json` prints: each exhibit, with what was played of it."""
    listed = []
    for exhibit in exhibits:
        played = record.of(exhibit.number) if record else None
        told = None if played is None else {**played.model_dump(mode="json"), "is_kept": is_kept(played)}
        listed.append({**vars(exhibit), "played": told})
    facts = None if record is None else record.model_dump(mode="json", exclude={"played"})
    return {"visit": facts, "exhibits": listed}


def _chosen(only: tuple[int, ...]) -> list[Exhibit]:
    unknown = [number for number in only if number not in EXHIBITS]
    if unknown:
        known = ", ".join(map(str, sorted(EXHIBITS)))
        raise click.UsageError(f"there is no exhibit {unknown[0]}; there are: {known}")
    return [exhibit for exhibit in in_order() if not only or exhibit.number in only]


def _record(path: Path) -> Record | None:
    try:
        return read_record(path)
    except RecordError as error:
        raise CommandError(str(error)) from error


def _row(exhibit: Exhibit, played: ExhibitTold | None) -> list[str]:
    first = [str(exhibit.number), f"{exhibit.title} ({exhibit.year})", exhibit.variant, law_of(exhibit, played)]
    if played is None:
        return [*first, "not played", "-", "-", "-"]
    found = found_by(played)
    quickest = "nobody"
    if found:
        strategy, search = found[0]
        quickest = f"{strategy}: {search.schedules:,} in {seconds_text(search.seconds)}"
    by = f"{len(found)} of {len(played.searches)}"
    other = counterpart_text(exhibit, played).partition(": ")[2]
    return [*first, quickest, by, f"{played.seeds_found} of {played.seeds}", other]


def _begun(seconds: float, played: list[ExhibitTold]) -> Record:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown CPU")
    return Record(made_at=utc_now(), host=this_host(), cpu_model=model, seconds=seconds, played=played)


def _keep(record: Record, out: Path) -> None:
    try:
        write_whole(out / RECORD.name, record.model_dump_json(indent=1) + "\n")
        write_whole(out / DOCUMENT.name, document(record))
    except RecordError as error:
        raise CommandError(str(error)) from error
