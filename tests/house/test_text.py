"""What no file of the repository holds: promises, vendored code, catch-all modules, module state, hidden methods."""

from __future__ import annotations

import ast
import re
from pathlib import Path

MAX_FILE_BYTES = 1_500_000
MAX_LINE_CHARACTERS = 400  # a longer line of a script or a style sheet was written by a minifier
PROMISES = re.compile("|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error"]))
TEXT_SUFFIXES = {".py", ".pyx", ".pxd", ".pyi", ".c", ".h", ".js", ".css", ".html", ".md", ".toml", ".sql", ".yml", ""}
WEB_SUFFIXES = {".js", ".css", ".html"}
# A leading __ is mangled in a class: an override of such a method is silently not called.
HIDDEN_METHOD = re.compile(r"^\s+(?:def|cdef|cpdef)\b[^(=]*\b(__\w+)\(", re.MULTILINE)


def test_nothing_is_promised(files: list[Path], checkout: Path) -> None:
    found = [
        f"{path.relative_to(checkout)}:{number}: {line.strip()[:80]}"
        for path in files
        if path.suffix in TEXT_SUFFIXES
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if PROMISES.search(line)
    ]
    assert found == []


def test_nothing_is_vendored_or_minified(files: list[Path], checkout: Path) -> None:
    names = [path for path in files if ".min." in path.name or "node_modules" in path.parts or "vendor" in path.parts]
    long = [
        path
        for path in files
        if path.suffix in WEB_SUFFIXES
        and path.parent != checkout
        and any(len(line) > MAX_LINE_CHARACTERS for line in path.read_text().splitlines())
    ]
    assert [str(path.relative_to(checkout)) for path in names + long] == []


def test_no_file_is_large(files: list[Path], checkout: Path) -> None:
    ours = [path for path in files if path.parent != checkout or path.suffix in TEXT_SUFFIXES - {".html"}]
    assert [str(path.relative_to(checkout)) for path in ours if path.stat().st_size > MAX_FILE_BYTES] == []


def test_no_module_is_a_catch_all(sources: list[Path], checkout: Path) -> None:
    named = {"util", "utils", "helper", "helpers", "misc"}
    assert [str(path.relative_to(checkout)) for path in sources if path.stem in named] == []


def test_no_function_writes_module_state(sources: list[Path], checkout: Path) -> None:
    writers = [
        f"{path.relative_to(checkout)}:{node.lineno}"
        for path in sources
        if path.suffix == ".py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Global)
    ]
    assert writers == []


def test_no_method_is_hidden_by_mangling(sources: list[Path], checkout: Path) -> None:
    found = [
        f"{path.relative_to(checkout)}: {name}"
        for path in sources
        if path.suffix in (".pyx", ".pxd")
        for name in HIDDEN_METHOD.findall(path.read_text())
        if not name.endswith("__")
    ]
    assert found == []
