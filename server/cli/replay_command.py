"""`swaprace replay`: a finding again, from its token."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from server.cli import exits
from server.cli.exits import CommandError
from server.cli.output import json_option
from server.cli.results import core_is_built
from server.cli.stepper import Stepper
from server.exploring.child import ExplorerError
from server.exploring.replays import played
from workers.diagram import json_of, markdown_of
from workers.exploration import Replayed, ReplayStatus
from workers.explorer.token import LONGEST, TokenError, decode

REPLAY_SECONDS = 600.0  # milliseconds, but for a protocol file that must be compiled first
EXIT_CODES: dict[ReplayStatus, int] = {
    "same": exits.REGRESSION,
    "other": exits.REGRESSION,
    "holds": exits.OK,
    "diverged": exits.ERROR,
    "impossible": exits.ERROR,
    "no_token": exits.USAGE,
}


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
    try:
        found = played(text, REPLAY_SECONDS)
    except ExplorerError as error:
        raise CommandError(str(error)) from error
    if stepping:
        click.echo(found.sentence)
        if found.timeline is not None:
            Stepper(found.timeline, found.law, click.echo).run(sys.stdin, prompts=sys.stdin.isatty())
    else:
        document = document_of(text, found, markdown=markdown, as_json=as_json)
        if output is None:
            click.echo(document, nl=False)
        else:
            _write(Path(output), document)
            click.echo(f"{found.sentence} Written to {output}.")
    raise click.exceptions.Exit(EXIT_CODES[found.status])


def checked(text: str) -> str:
    """The token on one line. Raises click.UsageError for what is none."""
    line = "".join(text.split())
    try:
        decode(line)
    except TokenError as error:
        raise click.UsageError(f"{error}; swaprace explore prints tokens") from error
    return line


def document_of(token: str, found: Replayed, *, markdown: bool, as_json: bool) -> str:
    """The verdict and the diagram as text, Markdown or JSON."""
    if as_json:
        return json.dumps(body_of(token, found), indent=2) + "\n"
    if found.timeline is None:
        return found.sentence + "\n"
    if markdown:
        lines = [*markdown_of(found.timeline, found.law, token), "", found.sentence]
    else:
        lines = [found.sentence, "", *found.diagram]
    return "\n".join(lines) + "\n"


def body_of(token: str, found: Replayed) -> dict[str, Any]:
    """What --json prints."""
    body = {"token": token, "exit_code": EXIT_CODES[found.status]}
    body |= found.model_dump(mode="json", exclude={"timeline", "diagram"}, exclude_none=True)
    if found.timeline is not None:
        told = found.timeline.model_dump(mode="json", exclude_defaults=True)
        body["diagram"] = json_of(found.timeline, found.law)
        body["timeline"] = told | {"format": found.timeline.format, "version": found.timeline.version}
    return body


def _write(path: Path, document: str) -> None:
    try:
        path.write_text(document, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}") from error
