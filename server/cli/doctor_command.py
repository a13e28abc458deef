"""`swaprace doctor`: what this machine can do, and what it lacks."""

from __future__ import annotations

from dataclasses import asdict

import click
from rich.text import Text

from server.cli import exits
from server.cli.doctor_checks import CHECKS
from server.cli.output import json_option, print_json, stdout_console
from shm.segment import sweep_orphans

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@click.command("doctor")
@click.option("--sweep", is_flag=True, help="First unlink segments and semaphores whose owner is gone.")
@json_option
def doctor(sweep: bool, as_json: bool) -> None:
    """Say what this machine can do: shared memory, cores, clock, limits, tools, the compiled core.

    Exit code 1 when something is missing without which nothing runs.
    """
    swept = sweep_orphans() if sweep else []
    checks = [check() for check in CHECKS]
    if as_json:
        print_json({"checks": [asdict(check) for check in checks], "swept": swept})
    else:
        console = stdout_console()
        for name in swept:
            console.print(f"swept {name}", markup=False)
        for check in checks:
            line = Text.assemble((f"{check.state:<5}", STYLES[check.state]), f"{check.name:<15}{check.value}")
            console.print(line, soft_wrap=True)
            if check.advice:
                console.print(Text(f"{'':<20}-> {check.advice}"), soft_wrap=True)
    failed = any(check.state == "fail" for check in checks)
    raise click.exceptions.Exit(exits.ERROR if failed else exits.OK)
