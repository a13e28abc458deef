"""The sources of the protocols: read for people, as they stand in this checkout."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

from server.effective import effective_source, file_of

CHECKOUT = Path(__file__).resolve().parents[1]
BULLET = re.compile(r"^- (\w+): (.*?)(?=^- \w+: |\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Head:
    """What stands on top of a protocol's file: a sentence, and its four bullets (Kernel, Holder, Loser, Cost)."""

    sentence: str
    bullets: dict[str, str]


@dataclass(frozen=True)
class Row:
    """A line of two files side by side; None where the other file has a line more. `kind`: same, less, more, changed.

    A row of kind `gap` stands for `skipped` equal lines.
    """

    kind: str
    old_number: int | None = None
    old: str | None = None
    new_number: int | None = None
    new: str | None = None
    skipped: int = 0


def protocol_source(name: str) -> str:
    """Its text. Raises OSError when it cannot be read."""
    return file_of(name).read_text(encoding="utf-8")


def head_of(source: str) -> Head:
    """The docstring on top of a source, in its parts."""
    found = re.match(r'\s*"""(.*?)"""', source, re.DOTALL)
    text = found[1] if found else ""
    bullets = {name: " ".join(words.split()) for name, words in BULLET.findall(text)}
    return Head(" ".join(text.split("\n- ")[0].split()), bullets)


def unified_diff(before: str, after: str, *, context: int = 3) -> list[str]:
    """Lines of a unified diff of what two protocols do, without line ends; none when they do the same.

    Each side is the protocol's head and its steps, inherited ones too (server/effective.py).

    Raises OSError when a source cannot be read.
    """
    old, new = (effective_source(name).splitlines() for name in (before, after))
    files = [file_of(name) for name in (before, after)]
    old_path, new_path = (path.relative_to(CHECKOUT) if path.is_relative_to(CHECKOUT) else path.name for path in files)
    return list(difflib.unified_diff(old, new, f"a/{old_path}", f"b/{new_path}", n=context, lineterm=""))


def side_by_side(before: str, after: str, *, context: int = 3) -> list[Row]:
    """The two files in rows, equal lines beyond `context` around a change left out. Raises OSError."""
    old, new = (effective_source(name).splitlines() for name in (before, after))
    rows: list[Row] = []
    end = 0
    for group in difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(context):
        if group[0][1] > end:
            rows.append(Row("gap", skipped=group[0][1] - end))
        for kind, i, i_end, j, j_end in group:
            rows += _rows_of(kind, list(enumerate(old[i:i_end], i + 1)), list(enumerate(new[j:j_end], j + 1)))
        end = group[-1][2]
    if rows and end < len(old):
        rows.append(Row("gap", skipped=len(old) - end))
    return rows


def _rows_of(kind: str, old: list[tuple[int, str]], new: list[tuple[int, str]]) -> list[Row]:
    rows = []
    for at in range(max(len(old), len(new))):
        left = old[at] if at < len(old) else (None, None)
        right = new[at] if at < len(new) else (None, None)
        name = "same" if kind == "equal" else "more" if left[0] is None else "less" if right[0] is None else "changed"
        rows.append(Row(name, *left, *right))
    return rows
