"""The laws: read from docs/laws.md, which a test holds against the code. Nothing compiled is loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.catalogue import PROTOCOLS

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "laws.md"
PLACES = {  # a column of the table -> what the places are called in JSON
    "at rest": "at_rest",
    "cluster lock": "cluster_lock",
    "folio lock": "folio_lock",
    "page-table lock": "page_table_lock",
}
WARNINGS = "warnings of steps"


class LawsError(RuntimeError):
    """The table of laws cannot be read; the message says why."""


@dataclass(frozen=True)
class Known:
    """A protocol that is known to break a law, as its kernel does, and why; the numbers are those of the museum."""

    protocol: str
    museum: tuple[int, ...]
    why: str


@dataclass(frozen=True)
class LawEntry:
    """A law: its sentence, what it is about, and which protocols are asked for it where.

    `places`: column of the table -> protocols; a place where it is not looked at is left out. `warnings`: of the steps
    that break it.
    """

    law: str
    sentence: str
    points: tuple[str, ...]
    places: dict[str, tuple[str, ...]]
    warnings: tuple[str, ...]
    known: tuple[Known, ...]

    @property
    def protocols(self) -> tuple[str, ...]:
        """Those that are asked for it somewhere."""
        return tuple(name for name in PROTOCOLS if any(name in asked for asked in self.places.values()))

    def body(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "law": self.law,
            "sentence": self.sentence,
            "points": list(self.points),
            "protocols": list(self.protocols),
            "looked_at": {key: list(self.places.get(place, ())) for place, key in PLACES.items()},
            "warnings": list(self.warnings),
            "known": [{"protocol": k.protocol, "museum": list(k.museum), "why": k.why} for k in self.known],
        }


def laws(protocol: str | None = None) -> list[LawEntry]:
    """All laws, or those that `protocol` is asked for or known to break. Raises LawsError."""
    try:
        text = DOCUMENT.read_text(encoding="utf-8")
    except OSError as error:
        raise LawsError(f"the table of laws, docs/{DOCUMENT.name}, cannot be read: {error.strerror}") from error
    known: dict[str, list[Known]] = {}
    for row in _rows(text, "Known to be broken"):
        known.setdefault(row["law"], []).append(Known(row["protocol"], museum_numbers(row["why"]), row["why"]))
    found = []
    for row in _rows(text, "The laws"):
        law = row["id"]
        broken = tuple(each for each in known.get(law, ()) if protocol in (None, each.protocol))
        places = {place: names for place in PLACES if (names := _names(row[place]))}
        entry = LawEntry(law, row["sentence"], _split(row["points"]), places, _split(row[WARNINGS]), broken)
        if protocol is None or protocol in entry.protocols or broken:
            found.append(entry)
    return found


def museum_numbers(why: str) -> tuple[int, ...]:
    """The exhibits that a reason names: `museum 27: ...; museum 38, ...`."""
    return tuple(int(number) for number in re.findall(r"\bmuseum (\d+)\b", why))


def _rows(text: str, heading: str) -> Iterator[dict[str, str]]:
    """The table under a heading, a dict a row."""
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    table = [[cell.strip().replace("`", "") for cell in line.strip().strip("|").split("|")] for line in lines]
    for cells in table[2:]:
        yield dict(zip(table[0], cells, strict=True))


def _split(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split(",") if part.strip() not in ("", "–"))


def _names(cell: str) -> tuple[str, ...]:
    return tuple(PROTOCOLS) if cell == "all" else _split(cell)
