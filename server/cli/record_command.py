"""`swaprace record`: the page references of a real program, as a workload."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from server.cli.exits import CommandError
from server.cli.output import json_option, print_json, stderr_console


@click.command("record", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("-o", "--output", type=click.Path(dir_okay=False, writable=True), required=True, help="Trace to write.")
@click.option("--max-references", type=click.IntRange(1), default=None, help="Stop after so many page references.")
@json_option
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def record(output: str, max_references: int | None, as_json: bool, command: tuple[str, ...]) -> None:
    """Record the page references of COMMAND under valgrind, for `--trace FILE`.

    Example: swaprace record -o sort.swpt -- sort /usr/share/dict/words
    """
    from workers.workloads.recorder import RecorderError
    from workers.workloads.recorder import record as record_references

    console = stderr_console()
    try:
        with console.status("recording") as status, _stdout_to_stderr(as_json):
            summary = record_references(
                list(command),
                Path(output),
                max_references=max_references,
                progress=lambda seen: status.update(f"recording: {seen:,} references seen"),
            )
    except (RecorderError, OSError) as error:
        raise CommandError(str(error)) from error
    body = asdict(summary)
    if as_json:
        print_json(body)
        return
    for name, value in body.items():
        click.echo(f"{name.replace('_', ' ')}: {value}")
    click.echo(f"use it: swaprace compare has_cache swap_cache --trace {output}")


@contextmanager
def _stdout_to_stderr(wanted: bool) -> Iterator[None]:
    """What the recorded command prints goes to standard error, so that standard output holds JSON alone."""
    if not wanted:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
