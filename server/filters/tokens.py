"""A filter's text as tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from server.filters.errors import FilterError

Kind = Literal["(", ")", "and", "or", "not", "operator", "word", "quoted", "end"]
OPERATORS = ("!=", "<=", ">=", ":", "=", "<", ">")
VALUE = re.compile(r"[^\s()\"]+")
WORD = re.compile(r"[^\s()\":=<>!]+")
JOINERS: dict[str, Kind] = {"AND": "and", "OR": "or", "NOT": "not"}


@dataclass(frozen=True)
class Token:
    """A piece of the text: its kind, what it says, and where it begins."""

    kind: Kind
    text: str
    at: int


def tokens_of(text: str) -> list[Token]:
    """The tokens of a filter, an `end` last. Raises FilterError."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        token, at = _next(text, at, after=found[-1] if found else None)
        found.append(token)
    return [*found, Token("end", "", len(text))]


def _next(text: str, at: int, after: Token | None) -> tuple[Token, int]:
    """The token at `at`, and where the next one may begin. Right after an operator stands a value, colons and all."""
    is_value = after is not None and after.kind == "operator" and after.at + len(after.text) == at
    if text[at] in "()":
        return Token("(" if text[at] == "(" else ")", text[at], at), at + 1
    if text[at] == '"':
        return _quoted(text, at)
    for operator in OPERATORS:
        if text.startswith(operator, at):
            return Token("operator", operator, at), at + len(operator)
    begins = at == 0 or text[at - 1].isspace() or text[at - 1] == "("
    if text[at] == "-" and begins and text[at + 1 : at + 2].strip():
        return Token("not", "-", at), at + 1
    word = (VALUE if is_value else WORD).match(text, at)
    if word is None:
        raise FilterError(text, at, f"{text[at]!r} stands alone", 'compare with = != < <= > >= or :, or use "quotes"')
    return Token("word" if is_value else JOINERS.get(word[0], "word"), word[0], at), word.end()


def _quoted(text: str, at: int) -> tuple[Token, int]:
    """A text in quotes; a backslash before a quote or a backslash stands for that character alone."""
    said: list[str] = []
    i = at + 1
    while i < len(text):
        if text[i] == "\\" and text[i + 1 : i + 2] in ('"', "\\"):
            i += 1
        elif text[i] == '"':
            return Token("quoted", "".join(said), at), i + 1
        said.append(text[i])
        i += 1
    raise FilterError(text, at, "this quote is not closed", 'end the text with "')
