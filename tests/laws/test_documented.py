"""docs/laws.md says what the registry has, and each law its own file."""

from __future__ import annotations

import re
from pathlib import Path

from workers.catalogue import PROTOCOLS
from workers.invariants.registry import LAWS

POINTS = {"C", "F", "P", "Q", "L", "T"}


def names(cell: str) -> tuple[str, ...]:
    """The protocols that a cell names."""
    return tuple(PROTOCOLS) if cell == "all" else tuple(re.findall(r"`(\w+)`", cell))


def test_the_table_of_laws_is_the_registry(checkout: Path) -> None:
    text = (checkout / "docs" / "laws.md").read_text()
    section = text.split("\n## The laws\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
    told = {
        law: (sentence, tuple(points.split(", ")), *(names(cell) for cell in places))
        for law, sentence, points, *places in rows
    }
    assert told == {
        law.id: (
            *(law.sentence, law.points, law.protocols, law.cluster_protocols, law.folio_protocols),
            *(law.page_protocols, law.warnings),
        )
        for law in LAWS.values()
    }
    assert len(rows) == len(LAWS)


def test_what_is_known_to_be_broken_is_told(checkout: Path) -> None:
    text = (checkout / "docs" / "laws.md").read_text()
    section = text.split("\n## Known to be broken\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    rows = {tuple(cell.strip().strip("`") for cell in line.strip("|").split("|")) for line in lines}
    assert rows == {(law.id, name, why) for law in LAWS.values() for name, why in law.known_broken.items()}


def test_every_law_is_whole() -> None:
    for law in LAWS.values():
        assert law.sentence.endswith("."), law.id
        assert law.points, law.id
        assert set(law.points) <= POINTS, law.id
        assert set(law.known_broken) <= set(PROTOCOLS) - set(law.protocols) | set(law.unless), law.id
        assert set(law.unless) <= set(law.known_broken) & set(law.protocols), law.id
        assert set(law.cluster_protocols) <= set(law.protocols) <= set(PROTOCOLS), law.id
        for point, places in (("C", law.cluster_protocols), ("F", law.folio_protocols), ("P", law.page_protocols)):
            assert not places or point in law.points, law.id
        assert "T" not in law.points or law.warnings, law.id


def test_one_law_one_file(checkout: Path) -> None:
    folder = checkout / "workers" / "invariants"
    files = {path.stem.split("_", 1)[0]: path for path in folder.glob("[a-z][0-9]*_*.pyx")}
    assert {law.lower() for law in LAWS} == set(files)
    for law, path in files.items():
        text = path.read_text()
        assert len(re.findall(r"^cdef class \w+\((?:Cluster|Folio|Page|Step)?Law\):", text, re.MULTILINE)) == 1, (
            path.name
        )
        assert text.startswith(f'"""{law.upper()}. '), path.name
