"""`swaprace laws`: what must be true of memory, where it is looked at, and which protocol is known to break it."""

from __future__ import annotations

from collections.abc import Sequence

import click

from server.cli.exits import CommandError
from server.cli.output import json_option, print_json, stdout_console, table_for
from server.cli.spec_options import known_protocol
from server.laws import Known, LawEntry, LawsError
from server.laws import laws as read_laws
from workers.catalogue import PROTOCOLS


@click.command("laws")
@click.argument("protocol", required=False, metavar="[PROTOCOL]")
@json_option
def laws(protocol: str | None, as_json: bool) -> None:
    """List the laws: what each says, where it is looked at, and which protocols it holds for or is known not to.

    With PROTOCOL, only those that it is asked for, and those that it is known to break.
    """
    asked = None if protocol is None else known_protocol(protocol)
    try:
        found = read_laws(asked)
    except LawsError as error:
        raise CommandError(str(error)) from error
    if as_json:
        print_json({"items": [law.body() for law in found]})
        return
    console = stdout_console()
    title = f"laws of {asked}" if asked else "laws"
    table = table_for(console, title, ["", "", "what must hold", "looked at", "known to be broken"])
    for column in table.columns[1:]:
        column.justify = "left"
        column.no_wrap = False
    for law in found:
        table.add_row(
            law.law, " ".join(law.points), law.sentence, places_text(law, asked), known_text(law.known, asked)
        )
    console.print(table)
    console.print("points: C slot or cluster, F folio, P page-table entry, Q memory at rest, L liveness, T transition")
    console.print("swaprace laws --json has the protocols of each place; docs/laws.md says why", style="dim")


def places_text(law: LawEntry, protocol: str | None) -> str:
    """Where it is looked at; of whom, where that is not everybody."""
    parts = [
        place if protocol or len(names) == len(PROTOCOLS) else f"{place} ({_of_whom(names)})"
        for place, names in law.places.items()
        if protocol is None or protocol in names
    ]
    if law.warnings:
        parts.append("steps that warn")
    return ", ".join(parts)


def known_text(known: Sequence[Known], protocol: str | None) -> str:
    """Who is known to break it, with the numbers of the museum; of one protocol alone, why."""
    if protocol is not None:
        return "; ".join(each.why for each in known)
    numbers = dict.fromkeys(number for each in known for number in each.museum)
    if not numbers:
        return ""
    return f"museum {', '.join(map(str, numbers))}: {', '.join(each.protocol for each in known)}"


def _of_whom(names: Sequence[str]) -> str:
    others = [name for name in PROTOCOLS if name not in names]
    return f"not {', '.join(others)}" if len(others) < len(names) else ", ".join(names)
