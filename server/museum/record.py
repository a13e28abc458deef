"""What the last visit to the museum found: docs/museum.json."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from server.schemas import Model
from workers.exploration import ExhibitSearch, ExhibitTold, MuseumSpec, Strategy

CHECKOUT = Path(__file__).resolve().parents[2]
RECORD = CHECKOUT / "docs" / "museum.json"
DOCUMENT = CHECKOUT / "docs" / "museum.md"
STRATEGIES: tuple[Strategy, ...] = ("random", "pct", "pos", "bound", "dpor")
CLEAN_SCHEDULES: int = MuseumSpec.model_fields["clean_schedules"].default


class RecordError(RuntimeError):
    """The record cannot be read; the message says why."""


def found_by(told: ExhibitTold) -> list[tuple[Strategy, ExhibitSearch]]:
    """The strategies that find it, the quickest first."""
    found = [(strategy, search) for strategy, search in told.searches.items() if search.found]
    return sorted(found, key=lambda each: each[1].seconds)


def is_kept(told: ExhibitTold) -> bool:
    """What the museum promises: two strategies find it, every seed or bounding does, the counterpart is clean."""
    surely = told.seeds_found == told.seeds or ("bound" in told.searches and told.searches["bound"].found)
    covered = told.fixed_exhausted or told.fixed_schedules >= CLEAN_SCHEDULES
    return len(found_by(told)) >= 2 and surely and covered and told.fixed_violation is None


class Record(Model):
    """A visit: under what it was made, and every exhibit that was played."""

    made_at: str
    host: str
    cpu_model: str
    seconds: float
    played: list[ExhibitTold] = []

    def of(self, number: int) -> ExhibitTold | None:
        """What was played of an exhibit."""
        return next((each for each in self.played if each.number == number), None)

    def with_played(self, played: ExhibitTold) -> Record:
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
