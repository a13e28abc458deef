"""What the house rules are checked on: the sources of this checkout, cut into functions where a rule asks for it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

FOLDERS = ("shm", "workers", "server", "loadtests", "migrations", "bench", "tests")
CODE_SUFFIXES = {".py", ".pyx", ".pxd"}
HEADER = re.compile(
    r"^(\s*)(?:async\s+)?(def|cdef|cpdef)\b(?!\s+(?:class|extern|struct|enum|union|packed|fused|readonly|public)\b)"
)
NAME = re.compile(r"(\w+)\s*\(")


@dataclass(frozen=True)
class Function:
    """A function of a source file: first and last line count from 1; text holds all of its lines."""

    path: Path
    name: str
    header: str
    first_line: int
    last_line: int
    indent: int
    text: str
    above: str

    @property
    def lines(self) -> int:
        return self.last_line - self.first_line + 1

    def __str__(self) -> str:
        return f"{self.path}:{self.first_line} {self.name}"


def joined_header(lines: list[str], start: int) -> tuple[str, int]:
    """A header that may span lines, up to the one where its parentheses close; and the index of that line."""
    text, depth, index = "", 0, start
    while index < len(lines):
        code = lines[index].split("#")[0].rstrip()
        text += code.strip() + " "
        depth += code.count("(") - code.count(")")
        if depth <= 0:
            break
        index += 1
    return text.strip(), index


def compiled_functions(path: Path) -> Iterator[Function]:
    """Functions of a .pyx or .pxd, told by indentation: a header that ends in a colon and what is indented below it."""
    lines = path.read_text().splitlines()
    in_text = False
    for start, line in enumerate(lines):
        quotes = line.count('"""')
        was_in_text = in_text
        in_text ^= quotes % 2 == 1
        match = HEADER.match(line)
        if was_in_text or match is None or "(" not in line:
            continue
        header, end = joined_header(lines, start)
        name = NAME.search(header)
        if not header.endswith(":") or name is None:
            continue
        indent, last = len(match[1]), end
        for index in range(end + 1, len(lines)):
            if not lines[index].strip():
                continue
            if len(lines[index]) - len(lines[index].lstrip()) <= indent:
                break
            last = index
        above = start
        while above and lines[above - 1].strip().startswith(("#", "@")):
            above -= 1
        text = "\n".join(lines[start : last + 1])
        yield Function(path, name[1], header, start + 1, last + 1, indent, text, "\n".join(lines[above:start]))


def python_functions(path: Path) -> Iterator[Function]:
    text = path.read_text()
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text, str(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            last = node.end_lineno or node.lineno
            body = "\n".join(lines[node.lineno - 1 : last])
            header = joined_header(lines, node.lineno - 1)[0]
            yield Function(path, node.name, header, node.lineno, last, node.col_offset, body, "")


@pytest.fixture(scope="session")
def checkout(pytestconfig: pytest.Config) -> Path:
    return pytestconfig.rootpath


@pytest.fixture(scope="session")
def files(checkout: Path) -> list[Path]:
    """Every file of the repository's folders, without what tools and builds leave; relative to the checkout."""
    found = [path for path in checkout.iterdir() if path.is_file()]
    for folder in (*FOLDERS, "docs", ".ci"):
        found += [path for path in (checkout / folder).rglob("*") if path.is_file()]
    left = {".so", ".pyc", ".db", ".o"}
    return sorted(path for path in found if path.suffix not in left and "__pycache__" not in path.parts)


@pytest.fixture(scope="session")
def sources(files: list[Path]) -> list[Path]:
    """The source files: .py, .pyx and .pxd."""
    return [path for path in files if path.suffix in CODE_SUFFIXES]


@pytest.fixture(scope="session")
def functions(sources: list[Path]) -> list[Function]:
    """Every function with a body, of all source files."""
    return [
        function
        for path in sources
        for function in (python_functions(path) if path.suffix == ".py" else compiled_functions(path))
    ]
