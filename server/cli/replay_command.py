"""`swaprace replay`: a finding again, from its token."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from server.cli import exits
from server.cli.exits import CommandError
from server.cli.output import json_option, print_json
from server.cli.results import core_is_built
from server.cli.stepper import Stepper
from server.exploring.child import ExplorerError, start_tied, tail_of
from server.exploring.schemas import Replayed
from workers.diagram import json_of, markdown_of
from workers.explorer.token import LONGEST, TokenError, decode

REPLAYER = "workers.explorer.replay"
REPLAY_SECONDS = 600.0  # milliseconds, but for a protocol file that must be compiled first
FOUND_AGAIN = ("same", "other")
HOLDS = "holds"


@click.command("replay")
@click.argument("token")
@click.option(
    "--step", "stepping", is_flag=True, help="Step through it: next, back, slot, folio, locks, where; see help."
)
@click.option("--markdown", is_flag=True, help="Print Markdown: the diagram, the laws, the command.")
@click.option("--output", type=click.Path(dir_okay=False, writable=True), help="Write the document to this file.")
@json_option
def replay(token: str, stepping: bool, markdown: bool, output: str | None, as_json: bool) -> None:
    """Play the finding of TOKEN again and draw it: a column a CPU, time downwards, the broken law in words.

    TOKEN is what explore and museum print, or - for standard input. Exit code 3 when its law is broken again, 0 when it
    holds now, 1 when the token cannot be played again, which is told with the reason.
    """
    if stepping + markdown + as_json > 1:
        raise click.UsageError("--step, --markdown and --json exclude each other")
    if stepping and output:
        raise click.UsageError("--step writes no document; leave --output out")
    if stepping and token == "-":
        raise click.UsageError("--step reads its commands from standard input: give the token as an argument")
    text = checked(sys.stdin.read(LONGEST + 1) if token == "-" else token)
    core_is_built()
    found = replayed(text)
    verdict = found.model_extra or {}
    code = code_of(verdict)
    if stepping:
        click.echo(verdict["sentence"])
        if found.timeline is None:
            raise click.exceptions.Exit(code)
        Stepper(found.timeline, verdict.get("law"), click.echo).run(sys.stdin, prompts=sys.stdin.isatty())
        raise click.exceptions.Exit(code)
    if as_json and output is None:
        print_json(body_of(text, found))
        raise click.exceptions.Exit(code)
    document = document_of(text, found, markdown=markdown, as_json=as_json)
    if output is None:
        click.echo(document, nl=False)
    else:
        _write(Path(output), document)
        click.echo(f"{verdict['sentence']} Written to {output}.")
    raise click.exceptions.Exit(code)


def checked(text: str) -> str:
    """The token on one line. Raises click.UsageError for what is none."""
    line = "".join(text.split())
    try:
        decode(line)
    except TokenError as error:
        raise click.UsageError(f"{error}; swaprace explore prints tokens") from error
    return line


def replayed(token: str) -> Replayed:
    """What a child process says of a token. Raises CommandError where it says nothing."""
    with tempfile.TemporaryFile() as log:
        try:
            process = start_tied(REPLAYER, log=log)
        except ExplorerError as error:
            raise CommandError(str(error)) from error
        try:
            said, _ = process.communicate(token.encode() + b"\n", timeout=REPLAY_SECONDS)
        except subprocess.TimeoutExpired:
            raise CommandError(f"the replay did not end within {REPLAY_SECONDS:g} s") from None
        finally:
            process.kill()
            process.wait()
        try:
            return Replayed.model_validate_json(said)
        except ValidationError as error:
            tail = tail_of(log) or f"exit code {process.returncode}"
            raise CommandError(f"the replay ended without a verdict: {tail}") from error


def code_of(verdict: dict[str, Any]) -> int:
    """The exit code of a verdict."""
    if verdict["status"] in FOUND_AGAIN:
        return exits.REGRESSION
    return exits.OK if verdict["status"] == HOLDS else exits.ERROR


def document_of(token: str, found: Replayed, *, markdown: bool, as_json: bool) -> str:
    """The verdict and the diagram as text, Markdown or JSON."""
    verdict = found.model_extra or {}
    if as_json:
        return json.dumps(body_of(token, found), indent=2) + "\n"
    if found.timeline is None:
        return verdict["sentence"] + "\n"
    if markdown:
        lines = [*markdown_of(found.timeline, verdict["law"], token), "", verdict["sentence"]]
    else:
        lines = [verdict["sentence"], "", *verdict["diagram"]]
    return "\n".join(lines) + "\n"


def body_of(token: str, found: Replayed) -> dict[str, Any]:
    """What --json prints."""
    verdict = {key: value for key, value in (found.model_extra or {}).items() if key != "diagram"}
    body = {"token": token, **verdict, "exit_code": code_of(verdict)}
    if found.timeline is not None:
        body["diagram"] = json_of(found.timeline, verdict["law"])
        body["timeline"] = found.timeline.model_dump(mode="json", exclude_defaults=True) | {
            "format": found.timeline.format,
            "version": found.timeline.version,
        }
    return body


def _write(path: Path, document: str) -> None:
    try:
        path.write_text(document, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}") from error
