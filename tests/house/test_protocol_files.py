"""Protocol files: a head of four bullets, and the methods of the seam in its order, with its signatures."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from workers.catalogue import PROTOCOLS

BULLET = re.compile(r"^\s*[-*]\s+(?:\*\*)?(Kernel|Holder|Loser|Cost)\b", re.MULTILINE)
DOCSTRING = re.compile(r'^(?:#[^\n]*\n)*("""(?:.*?)""")', re.DOTALL)


@pytest.fixture(scope="session")
def protocol_files(checkout: Path) -> list[Path]:
    found = sorted((checkout / "workers" / "protocols").glob("*.pyx"))
    return [path for path in found if path.stem not in ("base", "registry")]


@pytest.fixture(scope="session")
def museum_files(checkout: Path) -> list[Path]:
    return sorted((checkout / "workers" / "protocols" / "museum").glob("*.pyx"))


def methods(functions: list[Any], path: Path) -> dict[str, str]:
    """Methods of the classes of a file in their order: name -> signature without blanks."""
    return {f.name: re.sub(r"\s+", " ", f.header) for f in functions if f.path == path and f.indent > 0}


def test_each_protocol_of_the_catalogue_is_one_file(protocol_files: list[Path]) -> None:
    assert {path.stem for path in protocol_files} == set(PROTOCOLS)


def test_the_head_has_four_bullets(protocol_files: list[Path], museum_files: list[Path]) -> None:
    heads = {}
    for path in protocol_files + museum_files:
        match = DOCSTRING.match(path.read_text())
        heads[path.stem] = BULLET.findall(ast.literal_eval(match[1])) if match else []
    assert heads == {name: ["Kernel", "Holder", "Loser", "Cost"] for name in heads}


def test_methods_come_in_one_order(
    protocol_files: list[Path], museum_files: list[Path], functions: list[Any], checkout: Path
) -> None:
    order = list(methods(functions, checkout / "workers" / "mm" / "protocol.pyx"))
    assert order
    for path in [checkout / "workers" / "protocols" / "base.pyx", *protocol_files, *museum_files]:
        shared = [name for name in methods(functions, path) if name in order]
        assert shared or path in museum_files, f"{path.name} overrides no method of the seam"
        assert shared == sorted(shared, key=order.index), path.name


def test_methods_have_one_signature(
    protocol_files: list[Path], museum_files: list[Path], functions: list[Any], checkout: Path
) -> None:
    seam = methods(functions, checkout / "workers" / "mm" / "protocol.pyx")
    for path in [checkout / "workers" / "protocols" / "base.pyx", *protocol_files, *museum_files]:
        own = methods(functions, path)
        assert {name: own[name] for name in own if name in seam} == {name: seam[name] for name in own if name in seam}
