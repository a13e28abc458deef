"""The commands: help, exit codes, JSON, messages; without the compiled core as far as that goes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from server.cli import main
from server.cli.diff_command import source_diff
from server.cli.doctor_checks import CHECKS, check_core, stale_modules
from server.cli.group import COMMANDS


def swaprace(*arguments: str) -> Result:
    """The outcome of a command line, in this process."""
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_json(command: str) -> None:
    result = swaprace(command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout or "Commands:" in result.stdout  # a group, whose commands stand for themselves


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compare", "has_cache"], "Missing argument 'B'"),
        (["compare", "has_cache", "swapcache"], "did you mean swap_cache"),
        (["compare", "has_cache", "swap_cache", "--cpus", "100"], "--cpus 100"),
        (["compare", "has_cache", "swap_cache", "--trials", "0"], "--trials"),
        (["compare", "has_cache", "swap_cache", "--report", "/nowhere/r.html"], "no directory /nowhere"),
        (["run", "swap_cache", "--hz", "42"], "--hz"),
        (["diff", "has_cache", "nothing"], "no protocol 'nothing'"),
        (["record", "-o", "x.swpt"], "COMMAND"),
        (["load", "--server", "ftp://x"], "--server ftp://x"),
        (["nonsense"], "No such command"),
    ],
)
def test_usage_errors_exit_2_and_say_what_is_wrong(arguments: list[str], words: str, tmp_path: Path) -> None:
    where = ["--db", str(tmp_path / "r.db")] if arguments[0] in ("compare", "run") else []
    result = swaprace(*arguments, *where)
    assert result.exit_code == 2, result.output
    assert words in result.stderr.replace("\n", " ")


def test_beyond_loopback_nothing_is_served_without_a_token(tmp_path: Path) -> None:
    result = swaprace("serve", "--host", "0.0.0.0", "--db", str(tmp_path / "r.db"))
    assert result.exit_code == 1
    assert "0.0.0.0 is not loopback, and there is no token" in result.stderr.replace("\n", " ")
    assert "swaprace token create NAME" in result.stderr.replace("\n", " ")


def test_a_database_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = swaprace("run", "swap_cache", "--db", str(tmp_path / "file" / "r.db"))
    assert result.exit_code == 1
    assert str(tmp_path / "file") in result.stderr or "core is not built" in result.stderr


def test_the_diff_reads_as_a_patch() -> None:
    lines = source_diff("has_cache", "swap_cache")
    assert lines[:2] == ["--- a/workers/protocols/has_cache.pyx", "+++ b/workers/protocols/swap_cache.pyx"]
    assert "-        cpu.tick_sleep()" in lines


def test_the_diff_shows_steps_that_a_class_inherits() -> None:
    """The fix of the patch, and nothing else: the cgroup id is recorded before the slot may be freed."""
    lines = source_diff("swap_cache_as_posted", "swap_cache", context=0)
    body = [line for line in lines if line.startswith(("+ ", "- ")) and "memcg1_swapout(" in line]
    assert body == ["+        memcg1_swapout(cpu, self, pfn, entry)", "-        memcg1_swapout(cpu, self, pfn, entry)"]
    assert sum(line.startswith(("+", "-")) for line in source_diff("has_cache", "has_cache_waitqueue")) < 100


def test_the_diff_shows_what_a_variant_of_the_museum_does_otherwise() -> None:
    lines = source_diff("has_cache", "retry_yields", context=0)
    assert lines[1] == "+++ b/workers/protocols/museum/retry_yields.pyx"
    assert "-        cpu.tick_sleep()" in lines
    assert "+        cpu.busy(YIELD_NS)" in lines


def test_the_diff_is_plain_in_a_pipe_and_json_on_demand() -> None:
    plain = swaprace("diff", "has_cache", "swap_cache")
    assert plain.exit_code == 0
    assert "\x1b" not in plain.stdout
    assert (
        json.loads(swaprace("diff", "has_cache", "swap_cache", "--json").stdout)["lines"] == plain.stdout.splitlines()
    )
    assert swaprace("diff", "has_cache", "has_cache").stdout == ""


def test_doctor_names_every_check() -> None:
    body = json.loads(swaprace("doctor", "--json").stdout)
    assert len(body["checks"]) == len(CHECKS)
    assert {check["state"] for check in body["checks"]} <= {"ok", "warn", "fail"}
    text = swaprace("doctor").stdout
    for check in body["checks"]:
        assert check["name"] in text


def test_doctor_tells_a_missing_core_from_a_stale_one(tmp_path: Path) -> None:
    from importlib.machinery import EXTENSION_SUFFIXES

    package = tmp_path / "shm"
    package.mkdir()
    (tmp_path / "workers").mkdir()
    (package / "lock.pxd").write_text("cimport shm.atomic\n")
    (package / "atomic.pxd").touch()
    (package / "lock.pyx").write_text("from shm.lock cimport word\n")
    assert check_core(tmp_path).state == "fail"
    built = package / f"lock{EXTENSION_SUFFIXES[0]}"
    built.touch()
    for path in package.iterdir():
        os.utime(path, (1000, 1000))
    assert check_core(tmp_path).state == "ok"
    os.utime(package / "atomic.pxd", (2000, 2000))
    assert stale_modules(tmp_path) == ["shm.lock"]
    assert check_core(tmp_path).state == "warn"


def test_doctor_sweeps_what_a_dead_process_left() -> None:
    """Whoever else sweeps meanwhile, such as a dispatcher, does the same; so only the end is looked at."""
    code = "from shm.segment import Segment; print(Segment.create(8192).name)"
    name = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    body = json.loads(swaprace("doctor", "--sweep", "--json").stdout)
    assert not Path("/dev/shm", name.removeprefix("/")).exists()
    assert {check["name"] for check in body["checks"]} >= {"orphans"}
    assert isinstance(body["swept"], list)


def test_load_says_when_no_server_answers() -> None:
    result = swaprace("load", "--server", "http://127.0.0.1:9", "--headless")
    assert result.exit_code == 1
    assert "start `swaprace serve`" in result.stderr


def test_record_of_a_missing_program_is_an_error(tmp_path: Path) -> None:
    result = swaprace("record", "-o", str(tmp_path / "t.swpt"), "--", "no-such-program-of-ours")
    assert result.exit_code == 1
    assert "no-such-program-of-ours" in result.stderr or "valgrind" in result.stderr


def test_the_command_line_loads_quickly() -> None:
    """--help must not pay for numpy, SQLAlchemy or Flask."""
    code = (
        "import sys; from server.cli import main; from click.testing import CliRunner;"
        "assert CliRunner().invoke(main, ['--version']).exit_code == 0;"
        "heavy = {'numpy', 'scipy', 'sqlalchemy', 'flask', 'plotly', 'locust'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
