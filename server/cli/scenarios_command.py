"""`swaprace scenarios`: what can be run and what can be explored."""

from __future__ import annotations

import click

from server.cli.output import json_option, print_json, stdout_console, table_for
from server.exploring.names import race_told
from workers.catalogue import SCENARIOS
from workers.races import RACES


@click.command("scenarios")
@json_option
def scenarios(as_json: bool) -> None:
    """List the workloads of run and compare, and the races of explore with their steps."""
    if as_json:
        print_json(
            {"workloads": [vars(entry) for entry in SCENARIOS.values()], "races": list(map(race_told, RACES.values()))}
        )
        return
    console = stdout_console()
    table = table_for(console, "workloads, for run, compare and study", ["", "what it does"])
    table.columns[1].justify = "left"
    table.columns[1].no_wrap = False
    for entry in SCENARIOS.values():
        table.add_row(entry.name, entry.summary)
    console.print(table)
    console.print()
    table = table_for(console, "races, for explore", ["", "CPUs", "steps", "what happens"])
    table.columns[3].justify = "left"
    table.columns[3].no_wrap = False
    for race in RACES.values():
        table.add_row(race.name, str(len(race.race)), str(sum(map(len, race.race))), race.sentence)
    console.print(table)
    console.print("swaprace scenarios --json has the steps of each CPU", style="dim")
