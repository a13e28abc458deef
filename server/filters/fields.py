"""Fields that a filter may name: what kind of value each has, and where the database keeps it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement

Kind = Literal["text", "choice", "number", "time_ns", "seconds", "moment", "age"]

EXAMPLES: dict[Kind, str] = {
    "text": "{0}:name, {0}:name* or {0}:(one OR other)",
    "choice": "{0}:value, where the value is one of {1}",
    "number": "{0}>=8, {0}:2..8 or {0}<1.5M",
    "time_ns": "{0}<200us, {0}:1us..1ms or {0}>=4ms",
    "seconds": "{0}>=2s or {0}<500ms",
    "moment": "{0}:2026-11-23, {0}>=2026-11-23T06:30 or {0}:2026-11-01..2026-11-23",
    "age": "{0}<2h or {0}>7d",
}


@dataclass(frozen=True)
class Field:
    """One field. `column` makes its SQL; `within` wraps a condition on it where its values are another table's rows."""

    name: str
    kind: Kind
    meaning: str
    column: Callable[[], ColumnElement[Any]]
    within: Callable[[ColumnElement[bool]], ColumnElement[bool]] | None = None
    choices: tuple[str, ...] = ()
    is_whole: bool = False  # a number without a fraction

    @property
    def example(self) -> str:
        """Terms with this field that are right."""
        return EXAMPLES[self.kind].format(self.name, ", ".join(self.choices))

    @property
    def sortable(self) -> bool:
        """True where a row has one value of it."""
        return self.within is None and self.kind != "age"
