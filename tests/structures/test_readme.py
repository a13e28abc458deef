"""The map in shm/README.md is the map of the segment, and its order of locks the one that lockdep declares."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest

from shm.layout import sizes
from tests.laws.world import GEOMETRY, fresh
from workers.lockdep import Lockdep

WORDS = {"u8": 1, "u16": 2, "u32": 4, "u64": 8}


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table under a heading, less its head."""
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.fixture(scope="module")
def text() -> str:
    return (Path(__file__).resolve().parents[2] / "shm" / "README.md").read_text()


def test_the_map_has_every_array_in_address_order(text: str) -> None:
    with fresh() as world:
        spans = world.arrays
    header, *arrays = rows(text, "Map")
    assert (header[0], header[2]) == ("(header)", "4096")
    assert [row[0] for row in arrays] == list(spans)
    for name, item, size, *_ in arrays:
        if name == "percpu":  # its stride is rounded up to a line
            assert 0 <= spans[name].item - int(size) < 64
        else:
            assert spans[name].item == (GEOMETRY.payload_bytes if item == "payload" else int(size)), name


def test_the_map_has_every_structure_with_its_size(text: str) -> None:
    told = {row[1]: row[2] for row in rows(text, "Map")[1:] if row[1] != "payload"}
    expected = {**sizes(), **{word: size for word, size in WORDS.items() if word in told}}
    assert {item: int(size) for item, size in told.items()} == expected


def test_the_order_of_locks_is_the_declared_one(text: str) -> None:
    table = rows(text, "Order of locks")
    order = [row[0] for row in table]
    assert len(order) == 20
    sleeps = {row[0]: row[2] == "yes" for row in table}
    for outer, inner in combinations(order, 2):
        lockdep = Lockdep()
        assert not lockdep.acquire(outer)
        assert lockdep.acquire(inner) == (sleeps[inner] and not sleeps[outer])
        lockdep = Lockdep()
        lockdep.acquire(inner)
        assert lockdep.acquire(outer), f"{outer} is taken under {inner}"
    for name in order:
        lockdep = Lockdep()
        lockdep.acquire(name)
        assert lockdep.sleep() != sleeps[name]


def test_the_rules_are_numbered_and_bold(text: str) -> None:
    section = text.split("## Rules of access", 1)[1].split("\n## ", 1)[0]
    numbers = [int(number) for number in re.findall(r"^(\d+)\. \*\*", section, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 12
