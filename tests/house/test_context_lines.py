"""Every function of the mm code that is handed a CPU says in which context it runs: locks held and taken, sleep."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

FOLDERS = ("mm", "protocols", "operations")
TAKES_CPU = re.compile(r"\bCpu cpu\b")


def test_functions_that_take_a_cpu_tell_their_context(functions: list[Any], checkout: Path) -> None:
    silent = []
    for function in functions:
        parts = function.path.relative_to(checkout).parts
        if parts[0] != "workers" or parts[1] not in FOLDERS or function.path.suffix == ".py":
            continue
        if TAKES_CPU.search(function.header) and "Context:" not in function.above + function.text:
            silent.append(f"{function.path.relative_to(checkout)}:{function.first_line} {function.name}")
    assert silent == []


def test_compiled_code_never_calls_back(sources: list[Path], checkout: Path) -> None:
    """The core runs without the GIL from its first operation to its last: nothing takes it in between."""
    taking = re.compile(r"\bwith\s+gil\b")
    found = [
        f"{path.relative_to(checkout)}:{number}"
        for path in sources
        if path.suffix in (".pyx", ".pxd")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if taking.search(line)
    ]
    assert found == []
