"""docs/cli.md lists every command and every option with the words of its help, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from server.cli import main
from server.cli.exits import ERROR, INCONCLUSIVE, INTERRUPTED, OK, REGRESSION, USAGE
from server.cli.group import COMMANDS


def commands() -> dict[str, click.Command]:
    """Every command in the order of the help, as it is typed: those of a group stand behind it, as `token create`."""
    found = {}
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        found[name] = command
        if isinstance(command, click.Group):
            found |= {f"{name} {sub}": each for sub, each in command.commands.items()}
    return found


@pytest.fixture(scope="module")
def sections(checkout: Path) -> dict[str, str]:
    """Command -> its section of docs/cli.md."""
    text = (checkout / "docs" / "cli.md").read_text()
    parts = re.split(r"^##+ `swaprace ([a-z]+(?: [a-z]+)*).*`$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def options_of(command: click.Command) -> dict[str, str]:
    """Option as the help writes it -> its help, on one line."""
    context = click.Context(command)
    found = {}
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option) and "--help" not in parameter.opts:
            record = parameter.get_help_record(context)
            assert record is not None
            found[" ".join(record[0].split())] = " ".join(record[1].split())
    return found


def test_every_command_has_a_section(sections: dict[str, str]) -> None:
    assert list(sections) == list(commands())


@pytest.mark.parametrize("name", commands())
def test_options_are_those_of_the_help(name: str, sections: dict[str, str]) -> None:
    rows = re.findall(r"^\| `(-[^`]*)` \| (.*) \|$", sections[name], flags=re.MULTILINE)
    documented = {option.replace("\\|", "|"): text.replace("\\|", "|").replace("`", "") for option, text in rows}
    assert documented == {option: text.replace("`", "") for option, text in options_of(commands()[name]).items()}


def test_exit_codes_are_listed(checkout: Path) -> None:
    text = (checkout / "docs" / "cli.md").read_text()
    listed = [int(code) for code in re.findall(r"^\| (\d+) \|", text, flags=re.MULTILINE)]
    assert listed == [OK, ERROR, USAGE, REGRESSION, INCONCLUSIVE, INTERRUPTED]


def test_the_examples_are_command_lines_that_parse(checkout: Path) -> None:
    examples = re.findall(r"^swaprace (.*)$", (checkout / "docs" / "cli.md").read_text(), flags=re.MULTILINE)
    assert len(examples) >= len(COMMANDS)
    for example in examples:
        words = example.split("#")[0].split()
        name = " ".join(words[:2]) if " ".join(words[:2]) in commands() else words[0]
        given = [word.strip("'") for word in words[len(name.split()) :]]
        commands()[name].make_context(name, given)
    assert CliRunner().invoke(main, ["--help"]).exit_code == 0
