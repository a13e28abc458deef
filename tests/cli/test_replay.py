"""`swaprace replay`: the finding of a token as text, Markdown, JSON and step by step."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from server.cli import main
from server.cli.stepper import Stepper
from workers.diagram import text_of
from workers.explorer.arena import Arena
from workers.explorer.replay import token_of
from workers.races import RACES
from workers.schedulers.preemption_bound import PreemptionBound
from workers.timeline import Timeline

STORED = Path(__file__).parents[1] / "explorer" / "timelines" / "memcg_exit.json"


@pytest.fixture(scope="module")
def token() -> str:
    arena = Arena("swap_cache_as_posted", RACES["memcg_exit"])
    arena.use(PreemptionBound(2))
    played, legal = arena.play(0, 20_000)
    assert not legal, f"{played} schedules"
    return token_of(arena, "swap_cache_as_posted", arena.told()[0]).encode()


def swaprace(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(main, ["replay", *arguments], input=typed, catch_exceptions=False)


def test_text_has_the_verdict_and_the_diagram(token: str) -> None:
    result = swaprace(token)
    assert result.exit_code == 3
    lines = result.stdout.splitlines()
    assert lines[0].endswith(" is broken again, byte for byte as found.")
    assert lines[2].split() == ["CPU0", "(reclaim)", "CPU1", "(exit)"]
    assert swaprace("-", typed=f"  {token[:30]}\n{token[30:]}\n").stdout == result.stdout


def test_json_is_one_document(token: str) -> None:
    result = swaprace(token, "--json")
    assert result.exit_code == 3
    body = json.loads(result.stdout)
    assert (body["token"], body["status"], body["exit_code"]) == (token, "same", 3)
    timeline = Timeline.model_validate(body["timeline"])
    assert body["diagram"]["lines"] == text_of(timeline, body["law"])
    assert swaprace(token).stdout.splitlines()[2:] == body["diagram"]["lines"]


def test_a_file_takes_the_document(token: str, tmp_path: Path) -> None:
    path = tmp_path / "found.md"
    result = swaprace(token, "--markdown", "--output", str(path))
    assert result.exit_code == 3
    assert result.stdout.endswith(f"Written to {path}.\n")
    text = path.read_text()
    assert text.startswith("### swap_cache_as_posted: ")
    assert f"swaprace replay {token}\n" in text
    refused = swaprace(token, "--output", str(tmp_path / "no" / "file"))
    assert refused.exit_code == 1
    assert "cannot write" in refused.stderr


def test_what_cannot_be_replayed_exits_1(token: str) -> None:
    from dataclasses import replace

    from workers.explorer.token import decode

    known = decode(token)
    result = swaprace(replace(known, choices=known.choices[:-3]).encode())
    assert result.exit_code == 1
    assert result.stdout.startswith("It cannot be played again: diverged at step ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sr1-abc"], "the token was cut off"),
        (["hello"], "begins no token"),
        (["sr1-AA", "--json", "--step"], "exclude each other"),
        (["-", "--step"], "give the token as an argument"),
        (["sr1-AA", "--step", "--output", "file"], "leave --output out"),
    ],
)
def test_usage_is_told(arguments: list[str], words: str) -> None:
    result = swaprace(*arguments, typed="")
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())


def test_steps_are_taken_in_a_pipe(token: str) -> None:
    result = swaprace(token, "--step", typed="next\nnext 3\nback\nlocks\nquit\nnext\n")
    assert result.exit_code == 3
    lines = result.stdout.splitlines()
    assert lines[0].endswith("byte for byte as found.")
    assert lines[2].split()[:3] == ["1", "cpu0", "start"]
    assert "step 0>" not in result.stdout, "a pipe has no prompts"
    assert [line.split()[0] for line in lines[3:] if line.split()[1:2] == ["cpu0"]][:2] == ["4", "3"]


def stepped(*commands: str) -> list[str]:
    """What a stepper says to commands, without its greeting."""
    said: list[str] = []
    timeline = Timeline.model_validate_json(STORED.read_text())
    Stepper(timeline, "T5", said.append).run(io.StringIO("\n".join(commands) + "\n"), prompts=False)
    return said[1:]


def test_states_are_those_after_the_step_looked_at() -> None:
    assert stepped("slot 0:1") == ["slot 0:1: null, count 0"]
    assert stepped("goto 40", "slot")[-1] == "slot 0:1: pfn 16, count 0 + HAS_CACHE"
    assert stepped("goto 62", "s")[-1] == "slot 0:1: null, count 0"
    assert stepped("g 30", "pte")[-1] == "PTE of page 0, mm 0: slot 0:1"
    assert "locked by cpu0" in stepped("g 40", "folio 16")[-1]
    assert stepped("goto 0") == ["before the first step"]


def test_locks_are_those_held_and_waited_for() -> None:
    said = stepped("goto 40", "locks")
    assert any(line.startswith("cpu0 holds folio 16, step ") for line in said)
    assert any(line.startswith("cpu1 holds page table lock 0, step ") for line in said)
    assert stepped("locks") == ["no lock is held"]


def test_moves_go_on_and_back_and_to_changes() -> None:
    there = stepped("n", "n", "", "b 2")
    assert [line.split()[0] for line in there if line[:4].strip().isdigit()] == ["1", "2", "3", "1"]
    first = stepped("change")
    assert first[1].strip().startswith("folio 16: ")
    end = stepped("goto 61", "n", "n")
    assert any(line.startswith("T5 is broken: ") for line in end)
    assert end[-1] == "this is the last step"


def test_calls_steps_and_the_diagram_are_shown() -> None:
    assert stepped("goto 62", "where")[-1] == "workers/operations/reclaim.pyx:memory_reclaim"
    listed = stepped("goto 10", "list")
    assert [line for line in listed if line.startswith("> ")] == [f">{listed[0]}"]
    assert stepped("diagram") == text_of(Timeline.model_validate_json(STORED.read_text()), "T5")
    assert any(line.startswith("goto N") for line in stepped("help"))


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("jump", "there is no command 'jump'; there are: next, back"),
        ("goto 999", "there is no step 999: the last one is 62"),
        ("goto x", "'x' is no number of steps"),
        ("next -1", "'-1' is no number of steps"),
        ("back", "nothing has happened yet"),
        ("where", "nothing has happened yet"),
        ("slot 7", "'7' is no slot; device:offset is one, as 0:1"),
        ("slot 0:9", "no step changes slot 0:9; there are: 0:1"),
        ("folio 3", "no step changes folio 3; there are: 16"),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(command: str, words: str) -> None:
    said = stepped(command, "list")
    assert said[0].startswith(words)
    assert said[1].split()[0] == "1", "still before the first step"
