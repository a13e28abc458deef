"""How a command ends: exit codes and the error that carries one. docs/cli.md lists them."""

from __future__ import annotations

import click

OK = 0
ERROR = 1
USAGE = 2
REGRESSION = 3  # a metric regressed, a law was violated, or an exploration found something
INCONCLUSIVE = 4  # only where --fail-on-inconclusive asks for it
INTERRUPTED = 130  # 128 and SIGINT, as shells count


class CommandError(click.ClickException):
    """What went wrong, where, and what would be right; printed on standard error, exit code 1."""

    exit_code = ERROR
