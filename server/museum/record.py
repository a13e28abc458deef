"""What the last visit to the museum found: docs/museum.json."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from server.schemas import Model
from workers.exploration import FindingKind, Strategy

CHECKOUT = Path(__file__).resolve().parents[2]
RECORD = CHECKOUT / "docs" / "museum.json"
DOCUMENT = CHECKOUT / "docs" / "museum.md"
STRATEGIES: tuple[Strategy, ...] = ("random", "pct", "pos", "bound", "dpor")


class RecordError(RuntimeError):
    """The record cannot be read; the message says why."""


class Search(Model):
    """One strategy on one exhibit: whether it finds the bug by one of its laws, and after how much."""

    strategy: Strategy
    found: bool
    law: str | None = None
    schedules: int
    seconds: float


class Seeds(Model):
    """One strategy with many seeds."""

    strategy: Strategy
    seeds: int
    found: int
    most_schedules: int
    most_seconds: float


class Counterpart(Model):
    """The protocol without the bug in the same race."""

    protocol: str
    clean: bool
    exhausted: bool
    schedules: int
    seconds: float
    coverage: list[str]


class Told(Model):
    """The finding that stands for an exhibit: the shortest that a strategy left."""

    kind: FindingKind
    law: str
    sentence: str
    detail: str
    steps: int
    preemptions: int
    token: str
    diagram: list[str]


class Played(Model):
    """One exhibit, played."""

    number: int
    variant: str
    race: str
    variant_lines: int
    searches: list[Search]
    seeds: list[Seeds] = []
    counterpart: Counterpart | None = None
    told: Told | None = None

    @property
    def found_by(self) -> list[Search]:
        """The strategies that find it, the quickest first."""
        return sorted((each for each in self.searches if each.found), key=lambda each: each.seconds)

    @property
    def is_kept(self) -> bool:
        """What the museum promises: two strategies find it, every seed of one does, the counterpart is clean."""
        every_seed = any(each.found == each.seeds for each in self.seeds)
        return len(self.found_by) >= 2 and every_seed and self.counterpart is not None and self.counterpart.clean


class Record(Model):
    """A visit: under what it was made, and every exhibit that was played."""

    made_at: str
    host: str
    cpu_model: str
    seconds: float
    played: list[Played] = []

    def of(self, number: int) -> Played | None:
        """What was played of an exhibit."""
        return next((each for each in self.played if each.number == number), None)

    def with_played(self, played: Played) -> Record:
        """The record with one exhibit played, or played anew."""
        others = [each for each in self.played if each.number != played.number]
        in_order = sorted([*others, played], key=lambda each: each.number)
        return self.model_copy(update={"played": in_order})


def read_record(path: Path = RECORD) -> Record | None:
    """The record of a file; None where there is none yet. Raises RecordError."""
    try:
        return Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise RecordError(f"cannot read {path}: {error}") from error


def write_whole(path: Path, text: str) -> None:
    """Write a file that is there whole or as it was before. Raises RecordError."""
    unborn = path.with_name(f"{path.name}.new")
    try:
        unborn.write_text(text, encoding="utf-8")
        os.replace(unborn, path)
    except OSError as error:
        raise RecordError(f"cannot write {path}: {error}") from error
