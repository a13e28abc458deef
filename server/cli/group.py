"""The command `swaprace` and its commands; each is imported when it is asked for."""

from __future__ import annotations

import importlib
from typing import Any

import click

from server.version import version

COMMANDS = {
    "compare": "server.cli.compare_command",
    "study": "server.cli.study_command",
    "run": "server.cli.run_command",
    "runs": "server.cli.runs_command",
    "explore": "server.cli.explore_command",
    "replay": "server.cli.replay_command",
    "museum": "server.cli.museum_command",
    "scenarios": "server.cli.scenarios_command",
    "laws": "server.cli.laws_command",
    "simulate": "server.cli.simulate_command",
    "baseline": "server.cli.baseline_command",
    "calibrate": "server.cli.calibrate_command",
    "diff": "server.cli.diff_command",
    "record": "server.cli.record_command",
    "serve": "server.cli.serve_command",
    "token": "server.cli.token_command",
    "db": "server.cli.db_command",
    "load": "server.cli.load_command",
    "doctor": "server.cli.doctor_command",
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is used or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Commands in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, None when there is none."""
        if cmd_name not in COMMANDS:
            return None
        command: Any = getattr(importlib.import_module(COMMANDS[cmd_name]), cmd_name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(version(), prog_name="swaprace")
def main() -> None:
    """Race Linux swap-in synchronization protocols against each other in emulated memory.

    Exit codes: 0 ok, 1 error, 2 usage, 3 a regression, a violated law or a finding, 4 inconclusive
    (--fail-on-inconclusive), 130 interrupted.
    """
