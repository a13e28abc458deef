"""`swaprace diff`: what one protocol does otherwise than another, as a source diff."""

from __future__ import annotations

import click
from rich.text import Text

from server.cli.exits import CommandError
from server.cli.output import json_option, print_json, stdout_console
from server.cli.spec_options import checked_protocol
from server.sources import unified_diff
from workers.exhibits import EXHIBITS

STYLES = {"+": "green", "-": "red", "@": "cyan"}


@click.command("diff")
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--context", type=click.IntRange(0, 10_000), default=3, show_default=True, help="Lines around a change.")
@json_option
def diff(before: str, after: str, context: int, as_json: bool) -> None:
    """Show the source of protocol B as a change of protocol A: a unified diff, coloured on a terminal.

    Variants of the museum can be compared too.
    """
    lines = source_diff(before, after, context=context)
    if as_json:
        print_json({"a": before, "b": after, "lines": lines})
        return
    console = stdout_console()
    if not console.is_terminal:
        for line in lines:
            click.echo(line)
        return
    for line in lines:
        heading = line.startswith(("+++", "---"))
        console.print(Text(line, style="bold" if heading else STYLES.get(line[:1], "")), soft_wrap=True)


def source_diff(before: str, after: str, *, context: int = 3) -> list[str]:
    """Lines of a unified diff of two protocols' files, without line ends; none when they are the same."""
    variants = {exhibit.variant for exhibit in EXHIBITS.values()}
    names = [name if name in variants else checked_protocol(name) for name in (before, after)]
    try:
        return unified_diff(*names, context=context)
    except OSError as error:
        raise CommandError(f"cannot read a protocol's source: {error.filename}: {error.strerror}") from error
