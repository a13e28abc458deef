"""`swaprace runs`: the runs of the database that pass a filter, as a table, CSV or JSON."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from typing import Any

import click

from server.cli.exits import OK
from server.cli.output import stdout_console, table_for
from server.cli.results import db_option, opened_store, settings_for
from server.compare.wording import ns_text, rate_text
from server.config import Settings
from server.filters import RUNS, FilterError, Order, parse, parse_sort
from server.filters.tree import Node
from server.schemas import Run
from server.store import Store

PAGE = 200
FIGURES = ("throughput_ops_s", "p50_ns", "p99_ns", "p999_ns", "tick_sleeps")
COLUMNS = ("id", "state", "reason", "protocol", "scenario", "cpus", "seed", "study_id", "arm", "block", "host")
TIMES = ("created_at", "finished_at")


@click.command("runs")
@click.argument("filters", metavar="[FILTER]...", nargs=-1)
@click.option("--sort", default="-id", show_default=True, help="Field to sort by; with - before it from most to least.")
@click.option("--limit", type=click.IntRange(1), default=None, help="Most runs to print.  [default: 50; all in a pipe]")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV: a line a run, times in ns.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document: a list of runs as the API has them.")
@db_option
def runs(filters: tuple[str, ...], sort: str, limit: int | None, as_csv: bool, as_json: bool, db: str | None) -> None:
    """List the runs that pass FILTER, newest first: protocol:swap_cache 'cpus>=8' 'p99_ns<200us' NOT state:failed.

    docs/filters.md explains filters. Several arguments are one filter. Put what holds < > ( ) or * in quotes, and write
    -- before a filter that begins with a dash.
    """
    if as_csv and as_json:
        raise click.UsageError("give --csv or --json, not both")
    text = " ".join(filters)
    try:
        where, order = parse(text, RUNS), parse_sort(sort, RUNS)
    except FilterError as error:
        raise click.UsageError("\n" + error.pointed()) from error
    console = stdout_console()
    if limit is None and console.is_terminal:
        limit = 50
    settings = settings_for(db)
    with opened_store(settings) as store:
        found = _found(store, where, order, limit)
        if as_json:
            _print_json(found)
        elif as_csv:
            _print_csv(found)
        else:
            _print_table(found, settings)
    raise click.exceptions.Exit(OK)


def _found(store: Store, where: Node, order: Order, limit: int | None) -> Iterator[Run]:
    """Runs a page at a time: a pipe that is closed early reads no more of them."""
    left, after = limit, None
    while left is None or left > 0:
        page, after = store.list_runs(where=where, order=order, limit=min(PAGE, left or PAGE), after=after)
        yield from page
        if after is None:
            return
        left = None if left is None else left - len(page)


def _row(run: Run) -> dict[str, Any]:
    metrics = run.metrics or {}
    return {
        **{name: getattr(run, name) for name in (*COLUMNS, *TIMES) if name != "reason"},
        "reason": run.state_reason.code if run.state_reason else None,
        **{name: metrics.get(name) for name in FIGURES},
    }


def _print_json(found: Iterator[Run]) -> None:
    """A list, written as its runs come."""
    before = "["
    for run in found:
        click.echo(f"{before}\n{json.dumps(run.model_dump(mode='json'))}", nl=False)
        before = ","
    click.echo("[]" if before == "[" else "\n]")


def _print_csv(found: Iterator[Run]) -> None:
    writer = csv.DictWriter(sys.stdout, [*COLUMNS, *FIGURES, *TIMES], lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(_row, found))


def _print_table(found: Iterator[Run], settings: Settings) -> None:
    console = stdout_console()
    columns = ["run", "state", "protocol", "scenario", "cpus", "throughput", "p50", "p99", "p99.9", "finished (UTC)"]
    table = table_for(console, "", columns)
    for column in (1, 2, 3):
        table.columns[column].justify = "left"
    for run in found:
        row = _row(run)
        reason = f" ({row['reason']})" if run.finished and run.state != "succeeded" and row["reason"] else ""
        finished = (run.finished_at or "-")[:19].replace("T", " ")
        quantiles = [ns_text(row[name]) for name in FIGURES[1:4]]
        figures = [rate_text(row["throughput_ops_s"]), *quantiles]
        table.add_row(str(run.id), run.state + reason, run.protocol, run.scenario, str(run.cpus), *figures, finished)
    if table.row_count:
        console.print(table)
    else:
        click.echo(f"no run in {settings.database_name} passes the filter", err=True)
