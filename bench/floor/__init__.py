"""The floor in C: built with the machine's own compiler, run as a process, its figures read as JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).parent / "cycle.c"
FLAGS = ["-O2", "-pthread", "-Wall", "-Wextra"]


def build(folder: Path) -> Path:
    """The program, built under `folder` when its source is newer. Error: RuntimeError with what the compiler said."""
    program = folder / "cycle"
    if program.exists() and program.stat().st_mtime > SOURCE.stat().st_mtime:
        return program
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise RuntimeError("a C compiler is missing; install it: apt-get install build-essential")
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([compiler, *FLAGS, str(SOURCE), "-o", str(program)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{SOURCE} does not compile:\n{done.stderr}")
    return program


def run(program: Path, *arguments: str | int) -> dict[str, float]:
    """One measurement of the program, in ns per cycle or pair. Error: RuntimeError when it fails or lost a slot."""
    done = subprocess.run([str(program), *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{program.name} {' '.join(map(str, arguments))}: exit code {done.returncode} {done.stderr}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures
