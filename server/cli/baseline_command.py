"""`swaprace baseline`: named sets of runs, made, listed, removed, and compared against."""

from __future__ import annotations

from typing import Any

import click
from pydantic import ValidationError

from server.cli import exits
from server.cli.exits import CommandError
from server.cli.output import json_option, print_json, stdout_console, table_for
from server.cli.results import db_option, opened_store, settings_for
from server.documents import document_of
from server.filters import RUNS, FilterError, parse
from server.schemas import MAX_COMPARED_RUNS, BaselineCreate, ComparisonCreate
from server.store import Store, StoreError

FORMS = ("mail", "markdown", "csv", "html", "json")


@click.group("baseline")
def baseline() -> None:
    """Keep runs under a name, and compare others against them."""


@baseline.command("create")
@click.argument("name")
@click.argument("filters", metavar="FILTER...", nargs=-1, required=True)
@click.option("--note", default="", help="What the runs stand for.")
@db_option
@json_option
def create(name: str, filters: tuple[str, ...], note: str, db: str | None, as_json: bool) -> None:
    """Keep the runs that pass FILTER (docs/filters.md) and are over as baseline NAME."""
    with opened_store(settings_for(db)) as store:
        made = _asked(lambda: store.create_baseline(BaselineCreate(name=name, note=note, runs=_chosen(store, filters))))
    if as_json:
        print_json(made.model_dump(mode="json"))
    else:
        click.echo(f"baseline {made.name}: {len(made.runs)} runs of {', '.join(made.protocols)}")


@baseline.command("list")
@db_option
@json_option
def list_command(db: str | None, as_json: bool) -> None:
    """List baselines, newest first."""
    found, before = [], None
    with opened_store(settings_for(db)) as store:
        while True:
            page, before = store.list_baselines(limit=200, before=before)
            found += page
            if before is None:
                break
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    console = stdout_console()
    table = table_for(console, "", ["baseline", "runs", "protocols", "made (UTC)", "note"])
    for each in found:
        made = each.created_at[:19].replace("T", " ")
        table.add_row(each.name, str(len(each.runs)), ", ".join(each.protocols), made, each.note)
    console.print(table)


@baseline.command("delete")
@click.argument("name")
@db_option
@json_option
def delete(name: str, db: str | None, as_json: bool) -> None:
    """Forget baseline NAME; its runs stay."""
    with opened_store(settings_for(db)) as store:
        _asked(lambda: store.delete_baseline(name))
    if as_json:
        print_json({"deleted": name})


@baseline.command("compare")
@click.argument("name")
@click.argument("filters", metavar="FILTER...", nargs=-1, required=True)
@click.option("--format", "form", type=click.Choice(FORMS), default="mail", show_default=True, help="What to print.")
@db_option
@json_option
def compare(name: str, filters: tuple[str, ...], form: str, db: str | None, as_json: bool) -> None:
    """Compare the runs that pass FILTER (docs/filters.md) against baseline NAME, and keep the comparison.

    Exit code 3 when a metric regressed, 1 when the runs cannot be compared.
    """
    from server.figures import make_comparison

    settings = settings_for(db)
    with opened_store(settings) as store:
        asked = _asked(lambda: ComparisonCreate(against=name, candidate_runs=_chosen(store, filters)))
        stored = _asked(lambda: make_comparison(store, asked))
        url = f"http://{settings.host}:{settings.port}/api/v1/comparisons/{stored.id}"
        click.echo(document_of(store, stored, "json" if as_json else form, url=url), nl=False)  # type: ignore[arg-type]
    verdicts = {metric["verdict"] for metric in stored.result["metrics"].values()}
    code = exits.REGRESSION if "regressed" in verdicts else exits.ERROR if "not_comparable" in verdicts else exits.OK
    raise click.exceptions.Exit(code)


def _chosen(store: Store, filters: tuple[str, ...]) -> list[int]:
    """Numbers of the runs that pass a filter. Raises UsageError for a filter that is wrong or lets nothing through."""
    text = " ".join(filters)
    try:
        where = parse(text, RUNS)
    except FilterError as error:
        raise click.UsageError("\n" + error.pointed()) from error
    found, more = store.list_runs(where=where, limit=MAX_COMPARED_RUNS)
    if not found:
        raise click.UsageError(f"no run passes the filter {text!r}")
    if more is not None:
        raise click.UsageError(f"more than {MAX_COMPARED_RUNS} runs pass the filter {text!r}")
    return sorted(run.id for run in found)


def _asked(step: Any) -> Any:
    """What `step` brings; what the store or a model refuses is told in one line."""
    try:
        return step()
    except ValidationError as error:
        raise CommandError(
            "; ".join(str(item["msg"]).removeprefix("Value error, ") for item in error.errors())
        ) from error
    except StoreError as error:
        raise CommandError(str(error)) from error
