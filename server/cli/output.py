"""Where commands write: results to standard output, progress to standard error, JSON alone when asked for."""

from __future__ import annotations

import json
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

PIPE_WIDTH = 120  # columns of a table in a pipe, where there is no terminal to ask


def stdout_console() -> Console:
    """The console of results. In a pipe: no colour, no wrapping at 80 columns. NO_COLOR is honoured."""
    console = Console(highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPE_WIDTH, color_system=None)


def stderr_console() -> Console:
    """The console of progress."""
    return Console(stderr=True, highlight=False)


def table_for(console: Console, title: str, columns: list[str]) -> Table:
    """A table with a first column of names and right-aligned figures; ruled on a terminal, bare in a pipe."""
    table = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD if console.is_terminal else None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for index, name in enumerate(columns):
        table.add_column(name, justify="left" if index == 0 else "right", no_wrap=True)
    return table


def print_json(body: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(body, indent=2, default=str))


def json_option(command: Any) -> Any:
    """The option that every command has."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")(command)
