"""Files up to 400 lines, functions up to 60."""

from __future__ import annotations

from pathlib import Path
from typing import Any

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


def test_files_are_short(sources: list[Path], checkout: Path) -> None:
    sizes = {str(path.relative_to(checkout)): len(path.read_text().splitlines()) for path in sources}
    assert {path: lines for path, lines in sizes.items() if lines > MAX_FILE_LINES} == {}


def test_functions_are_short(functions: list[Any]) -> None:
    assert [f"{f}: {f.lines} lines" for f in functions if f.lines > MAX_FUNCTION_LINES] == []


def test_the_parser_sees_compiled_functions(functions: list[Any]) -> None:
    """What finds no function finds no long one."""
    compiled = {f.name for f in functions if f.path.suffix == ".pyx"}
    assert {"feed", "touch", "hex_value"} <= compiled
    by_name = {f.name: f for f in functions if f.path.name == "lackey.pyx"}
    assert by_name["reserve"].header.startswith("cdef int reserve(self, size_t more)")
    assert by_name["reserve"].text.splitlines()[-1].strip() == "return 0"
