"""What a filter is once it has been read: tests on fields, joined by and, or, not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Operator = Literal["=", "<", "<=", ">", ">="]
Value = str | int | float


@dataclass(frozen=True)
class Test:
    """One field against one value. `=` of a text means the whole text, in the case it is written in."""

    __test__ = False  # it is no class of tests

    field: str
    operator: Operator
    value: Value


@dataclass(frozen=True)
class Pattern:
    """A text field against a text with `*` for any characters, in any case."""

    field: str
    glob: str


@dataclass(frozen=True)
class Words:
    """A text that stands, in any case, somewhere in one of the fields that are searched."""

    text: str


@dataclass(frozen=True)
class Not:
    """True where `node` is not, which includes rows that have no value in the field."""

    node: Node


@dataclass(frozen=True)
class Every:
    """All of `nodes`; of none: everything."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Any:
    """One or more of `nodes`."""

    nodes: tuple[Node, ...]


Node = Test | Pattern | Words | Not | Every | Any
