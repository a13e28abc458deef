"""`swaprace db`: the results database brought up to date, copied, and pruned."""

from __future__ import annotations

import re
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from sqlalchemy.exc import DBAPIError

from server.cli.exits import CommandError
from server.cli.output import json_option, print_json
from server.cli.results import db_option, opened_store, settings_for
from server.db import DatabaseError, revision_of, upgrade
from server.store import Kept
from server.store.backup import write_backup

DAYS = {"h": 1 / 24, "d": 1.0, "w": 7.0, "y": 365.0}
BYTES: dict[str, float] = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class Quantity(click.ParamType):
    """A number with one of the units of a table, as 90d or 2G."""

    def __init__(self, name: str, units: dict[str, float], example: str) -> None:
        self.name = name
        self._units = units
        self._example = example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number in the base unit. Fails as click's parameters do."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]?)", str(value))
        if match is None or match[2] not in self._units:
            units = ", ".join(unit for unit in self._units if unit)
            self.fail(f"{value!r} cannot be read: write it as {self._example}, with one of {units}", param, ctx)
        return float(match[1]) * self._units[match[2]]


@click.group("db")
def db() -> None:
    """Bring the results database up to date, copy it, prune it."""


@db.command("upgrade")
@db_option
@json_option
def upgrade_command(db: str | None, as_json: bool) -> None:
    """Make the database, or bring it to the newest schema. `serve` and others do so when they start."""
    settings = settings_for(db)
    try:
        before = None
        with suppress(DatabaseError):  # there may be none yet
            before = revision_of(settings.database_url)
        upgrade(settings.database_url)
        after = revision_of(settings.database_url)
    except DatabaseError as error:
        raise CommandError(str(error)) from error
    if as_json:
        print_json({"database": settings.database_name, "before": before, "after": after})
    elif before == after:
        click.echo(f"{settings.database_name} is up to date at {after}")
    else:
        click.echo(f"{settings.database_name} went from {before or 'nothing'} to {after}")


@db.command("backup")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@db_option
@json_option
def backup(file: Path, db: str | None, as_json: bool) -> None:
    """Write one state of the database into a SQLite FILE that is not there yet; servers go on meanwhile.

    Of a PostgreSQL database this is a SQLite file of the same schema: `--db FILE` reads it anywhere.
    """
    settings = settings_for(db)
    with opened_store(settings) as store:
        try:
            write_backup(store.db, file)
        except FileExistsError as error:
            raise CommandError(f"{file} is there already: choose another name, or remove it") from error
        except (OSError, sqlite3.Error, DBAPIError, DatabaseError) as error:
            raise CommandError(f"cannot copy {settings.database_name} to {file}: {error}") from error
    size = file.stat().st_size
    if as_json:
        print_json({"database": settings.database_name, "file": str(file), "bytes": size})
    else:
        click.echo(f"{file} holds {settings.database_name}: {size:,} bytes")


@db.command("prune")
@click.option(
    "--older-than", type=Quantity("age", DAYS, "90d"), default=None, help="Runs that ended longer ago: 12h, 90d, 2y."
)
@click.option(
    "--max-size", type=Quantity("size", BYTES, "2G"), default=None, help="Oldest runs beyond this size: 500M, 2G."
)
@click.option("--dry-run", is_flag=True, help="Tell what would go, and change nothing.")
@db_option
@json_option
def prune(older_than: float | None, max_size: float | None, dry_run: bool, db: str | None, as_json: bool) -> None:
    """Delete old runs and explorations with all that they left.

    Runs that a baseline or a comparison names stay, and so do live and queued ones.
    """
    if older_than is None and max_size is None:
        raise click.UsageError("say what may go: --older-than 90d, --max-size 2G, or both")
    with opened_store(settings_for(db)) as store:
        pruned = store.prune(Kept(older_than, None if max_size is None else int(max_size)), dry_run=dry_run)
        if (pruned.runs or pruned.explorations) and not dry_run:
            store.shrink()
        now = store.stored_bytes()
    if as_json:
        print_json({**vars(pruned), "dry_run": dry_run, "size_bytes_now": now})
        return
    verb = "would go" if dry_run else "are gone"
    explored = f" and {pruned.explorations:,} explorations" if pruned.explorations else ""
    click.echo(f"{pruned.runs:,} runs{explored} {verb}, about {pruned.freed_bytes:,} of {pruned.size_bytes:,} bytes")
    if pruned.protected:
        click.echo(f"{pruned.protected:,} more stay, as baselines or comparisons name them")
    if max_size is not None and not dry_run and now > max_size:
        click.echo(f"the rest takes {now:,} bytes: nothing more may go", err=True)
