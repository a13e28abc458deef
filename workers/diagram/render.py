"""A diagram as text of 72 columns, as Markdown, and as JSON."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from typing import Any

from workers.diagram.marks import in_words
from workers.diagram.rows import Column, Drawn, Row, draw
from workers.timeline import Finding, Timeline

WIDTH = 72  # of a mail, and of a commit message
GAP = 2
# Locks whose holding is told by a letter at the right of a change.
LETTERS = {"cluster": "C", "folio": "F", "i_pages": "I", "ptl": "P"}
LOCKS = {"cluster": "cluster", "folio": "folio", "i_pages": "i_pages", "ptl": "page table"}
DEEPEST = 6  # calls that are indented; deeper ones stand below each other
MOST_COLUMNS = 4  # beside each other; more CPUs stand one below the other, each line with its CPU


def text_of(timeline: Timeline, law: str | None = None, width: int = WIDTH) -> list[str]:
    """The diagram and the law that it breaks, as lines of at most `width` columns.

    `law`: the one to tell of first; None: the first finding's.
    """
    drawn = draw(timeline)
    body = _columns(drawn, width) if len(drawn.columns) <= MOST_COLUMNS else _lines(drawn, width)
    return [*body, "", *_told(timeline, drawn, law, width)]


def markdown_of(timeline: Timeline, law: str | None = None, token: str | None = None) -> list[str]:
    """The diagram in a fenced block, the laws as a table, and how to see it again, as lines of Markdown."""
    drawn = draw(timeline)
    lines = [f"### {timeline.protocol}: {_title(timeline, law)}", "", "```"]
    lines += _columns(drawn, WIDTH) if len(drawn.columns) <= MOST_COLUMNS else _lines(drawn, WIDTH)
    lines += ["```", "", *_legend(drawn), _extent(timeline, drawn), ""]
    if timeline.findings:
        lines += ["| law | what must hold | what was found |", "| --- | --- | --- |"]
        for finding in _ordered(timeline, law):
            cells = (finding.law, finding.sentence, in_words(finding.detail))
            lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    else:
        lines.append(f"No law is broken; it ended as {timeline.ending}.")
    return [*lines, "", "```", f"swaprace replay {token}", "```"] if token else lines


def json_of(timeline: Timeline, law: str | None = None) -> dict[str, Any]:
    """columns (cpu, head), rows (cpu, depth, kind, text, step), laws, steps, ending, lines (the text)."""
    drawn = draw(timeline)
    return {
        "protocol": timeline.protocol,
        "scenario": timeline.scenario,
        "columns": [asdict(column) for column in drawn.columns],
        "rows": [asdict(row) for row in drawn.rows],
        "laws": [finding.model_dump() for finding in _ordered(timeline, law)],
        "steps": drawn.steps,
        "ending": timeline.ending,
        "lines": text_of(timeline, law),
    }


def _columns(drawn: Drawn, width: int) -> list[str]:
    """CPUs beside each other, time downwards."""
    count = len(drawn.columns)
    each = (width - GAP * (count - 1)) // count
    lefts = {column.cpu: number * (each + GAP) for number, column in enumerate(drawn.columns)}
    heads = [column.head if len(column.head) <= each else _clipped(column.head, each) for column in drawn.columns]
    lines = [_beside(heads, each), _beside(["-" * len(head) for head in heads], each)]
    indent = 2 if count <= 2 else 1
    for row in drawn.rows:
        lines += [(" " * lefts[row.cpu] + part).rstrip() for part in _fitted(row, each, indent)]
    return lines


def _beside(parts: list[str], each: int) -> str:
    return (" " * GAP).join(part.ljust(each) for part in parts).rstrip()


def _clipped(text: str, width: int) -> str:
    return text[: width - 3] + "..."


def _fitted(row: Row, width: int, indent: int) -> list[str]:
    """A row in its column, wrapped where it must be; a name that is too long gives up indentation first."""
    depth = min(row.depth, DEEPEST) * indent
    text = row.text if depth + len(row.text) <= width else row.text.removeprefix("slot ")
    if depth + len(text) > width and " " not in text:
        depth = max(0, width - len(text))
        text = text if len(text) <= width else text[: width - 1] + "~"
    inside = textwrap.wrap(text, max(8, width - depth), subsequent_indent="  ", break_on_hyphens=False) or [""]
    lines = [(" " * depth + part)[:width] for part in inside]
    letters = letters_of(row)
    if letters and len(lines[-1]) + 1 + len(letters) <= width:
        lines[-1] = lines[-1].ljust(width - len(letters)) + letters
    return lines


def letters_of(row: Row) -> str:
    """The locks that a change is made under, a letter each."""
    return "".join(dict.fromkeys(LETTERS[lock.split()[0]] for lock in row.locks if lock.split()[0] in LETTERS))


def _legend(drawn: Drawn) -> list[str]:
    """What the letters beside the changes mean."""
    used = {letter for row in drawn.rows for letter in letters_of(row)}
    meant = [f"{letter} {LOCKS[name]}" for name, letter in LETTERS.items() if letter in used]
    return [f"Locks held: {', '.join(meant)}."] if meant else []


def _lines(drawn: Drawn, width: int) -> list[str]:
    """More CPUs than stand beside each other: one below the other, each line with its CPU."""
    names: dict[int, str] = {column.cpu: column.head.partition(" ")[0] for column in drawn.columns}
    margin = max(len(name) for name in names.values()) + 2
    lines = [_list_of(drawn.columns, width), ""] if drawn.columns else []
    last: int | None = None
    for row in drawn.rows:
        name = names[row.cpu] if row.cpu != last else ""
        last = row.cpu
        for part in _fitted(row, width - margin, 2):
            lines.append((name.ljust(margin) + part).rstrip())
            name = ""
    return lines


def _list_of(columns: list[Column], width: int) -> str:
    return "\n".join(textwrap.wrap(", ".join(column.head for column in columns), width))


def _told(timeline: Timeline, drawn: Drawn, law: str | None, width: int) -> list[str]:
    """The law in words, what was found, and the extent."""
    lines: list[str] = []
    ordered = _ordered(timeline, law)
    if not ordered:
        lines += textwrap.wrap(f"No law is broken; it ended as {timeline.ending}.", width)
    for finding in ordered[:1]:
        lines += textwrap.wrap(f"{finding.law} is broken: {finding.sentence}", width, subsequent_indent="  ")
        lines += textwrap.wrap(f"  {in_words(finding.detail)}", width, subsequent_indent="  ", break_on_hyphens=False)
    if len(ordered) > 1:
        rest = ", ".join(dict.fromkeys(finding.law for finding in ordered[1:]))
        lines += textwrap.wrap(f"Broken by the same steps: {rest}.", width)
    return [*lines, *_legend(drawn), *textwrap.wrap(_extent(timeline, drawn), width)]


def _ordered(timeline: Timeline, law: str | None) -> list[Finding]:
    """The findings, those of `law` first."""
    return sorted(timeline.findings, key=lambda finding: law is not None and finding.law != law)


def _title(timeline: Timeline, law: str | None) -> str:
    ordered = _ordered(timeline, law)
    return f"{ordered[0].law} is broken" if ordered else timeline.ending


def _extent(timeline: Timeline, drawn: Drawn) -> str:
    steps = drawn.steps + timeline.left_out_before
    cpus = "1 CPU" if len(timeline.cpus) == 1 else f"{len(timeline.cpus)} CPUs"
    return f"{steps} steps of {cpus} in scenario {timeline.scenario} of protocol {timeline.protocol}."
