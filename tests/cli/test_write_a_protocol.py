"""docs/write-a-protocol.md: its file and its commands, run as they stand there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

CODE = re.compile(r"```cython\n(.*?)```", re.DOTALL)
COMMANDS = re.compile(r"```\n((?:swaprace [^\n]*\n)+)```")
REGRESSION, INCONCLUSIVE = 3, 4  # what a comparison of six short trials may say


@pytest.fixture
def folder(checkout: Path, tmp_path: Path) -> Path:
    (source,) = CODE.findall((checkout / "docs" / "write-a-protocol.md").read_text())
    assert len(source.splitlines()) <= 40
    (tmp_path / "mine.pyx").write_text(source)
    return tmp_path


def swaprace(command: str, folder: Path, checkout: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(checkout),
        "SWAPRACE_DATABASE": str(folder / "results.db"),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    arguments = shlex.split(command)[1:]
    return subprocess.run(
        [sys.executable, "-m", "server.cli", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )


def test_the_document_is_true(folder: Path, checkout: Path) -> None:
    text = (checkout / "docs" / "write-a-protocol.md").read_text()
    commands = [line for block in COMMANDS.findall(text) for line in block.splitlines()]
    assert len(commands) == 5
    for command in commands:
        done = swaprace(command, folder, checkout)
        allowed = {0, REGRESSION, INCONCLUSIVE} if command.startswith("swaprace compare") else {0}
        assert done.returncode in allowed, f"{command}\n{done.stdout}\n{done.stderr}"
    assert "+        cpu.park_timeout(50000, WAIT_TICK_SLEEP)" in done.stdout
    assert len(list((folder / "cache" / "swaprace" / "protocols").glob("*/*.so"))) == 1, "compiled once"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("cpu.park_timeout(", "cpu.park_timeuot("), "does not compile"),
        (("cdef class Impatient", "cdef class Hurried"), "has no class Impatient; it has: "),
        (("(HasCache)", ""), "does not derive from a protocol"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(folder: Path, checkout: Path, change: tuple[str, str], why: str) -> None:
    source = (folder / "mine.pyx").read_text()
    assert change[0] in source
    if change[1] == "":
        source = 'cdef class Impatient:\n    """Derives from nothing."""\n'
    (folder / "mine.pyx").write_text(source.replace(*change) if change[1] else source)
    done = swaprace("swaprace run ./mine.pyx:Impatient --seconds 0.1", folder, checkout)
    assert done.returncode == 1
    assert why in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_there(folder: Path, checkout: Path) -> None:
    done = swaprace("swaprace run ./yours.pyx:Impatient", folder, checkout)
    assert done.returncode == 2
    assert "there is no protocol file ./yours.pyx; give PATH.pyx:Class" in done.stderr
