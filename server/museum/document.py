"""docs/museum.md, made of the exhibits and the record of the last visit."""

from __future__ import annotations

from collections.abc import Iterator

from server.exploring.texts import replay_command, seconds_text
from server.museum.record import STRATEGIES, Played, Record
from workers.exhibits import EXHIBITS, Exhibit

HEAD = """# The museum

Bugs that swap-in synchronization has had, each as a protocol of a few lines of its own (`workers/protocols/museum`), in
a race that provokes it. None is found by a law made for it alone: [laws.md](laws.md) has all laws. `swaprace museum
run` plays every exhibit and writes this page; `swaprace replay TOKEN --step` walks through one.

A figure is the schedules and the time until the first finding of seed 1, on one core; a dash: not found in that time.
Seeds: how many of them find it, by PCT unless told. The counterpart is the protocol without the bug, in the same race.
"""
COLUMNS = (
    "no.",
    "bug",
    "year",
    "lines",
    "race",
    "law",
    "random walk",
    "PCT",
    "POS",
    "bounding",
    "DPOR",
    "seeds",
    "counterpart",
)


def document(record: Record | None) -> str:
    """The whole page."""
    return "\n".join([*_opening(record), "", *_table(record), *_exhibits(record)]) + "\n"


def _opening(record: Record | None) -> Iterator[str]:
    yield HEAD.rstrip()
    yield ""
    if record is None:
        yield "It has not been visited yet."
        return
    told = f"Visited {record.made_at[:10]} on {record.host} ({record.cpu_model}), up to {record.seconds:g} s a search."
    kept = sum(played.is_kept for played in record.played)
    promised = "found by two strategies, and by every seed of one, beside a clean counterpart"
    yield f"{told} {kept} of {len(EXHIBITS)} exhibits are {promised}."


def _table(record: Record | None) -> Iterator[str]:
    yield f"| {' | '.join(COLUMNS)} |"
    yield "| " + " | ".join("---" for _ in COLUMNS) + " |"
    for exhibit in in_order():
        played = record.of(exhibit.number) if record else None
        yield f"| {' | '.join(cells(exhibit, played))} |"


def in_order() -> list[Exhibit]:
    """The exhibits by number."""
    return [EXHIBITS[number] for number in sorted(EXHIBITS)]


def cells(exhibit: Exhibit, played: Played | None) -> list[str]:
    """A row of the table, in the order of COLUMNS."""
    first = [f"[{exhibit.number}](#{exhibit.number})", exhibit.title, str(exhibit.year)]
    if played is None:
        return [*first, "-", f"`{exhibit.race}`", ", ".join(exhibit.laws), *["not played"] * 5, "-", "-"]
    law = played.told.law if played.told else ", ".join(exhibit.laws)
    by_strategy = {each.strategy: each for each in played.searches}
    searches = [
        f"{each.schedules:,} in {seconds_text(each.seconds)}" if each is not None and each.found else "-"
        for each in (by_strategy.get(strategy) for strategy in STRATEGIES)
    ]
    return [
        *first,
        str(played.variant_lines),
        f"`{exhibit.race}`",
        law,
        *searches,
        seeds_text(played),
        counterpart_text(played),
    ]


def seeds_text(played: Played) -> str:
    """How many seeds find it: 20 of 20."""
    parts = [
        f"{each.found} of {each.seeds}" + ("" if each.strategy == "pct" else f" ({each.strategy})")
        for each in played.seeds
    ]
    return ", ".join(parts) or "-"


def counterpart_text(played: Played) -> str:
    """What was covered of the protocol without the bug."""
    other = played.counterpart
    if other is None:
        return "-"
    if not other.clean:
        return f"`{other.protocol}`: not clean"
    how = "exhausted, " if other.exhausted else ""
    return f"`{other.protocol}`: {how}{other.schedules:,} schedules"


def _exhibits(record: Record | None) -> Iterator[str]:
    for exhibit in in_order():
        played = record.of(exhibit.number) if record else None
        yield from ("", f'## <a id="{exhibit.number}"></a>{exhibit.number}. {exhibit.title} ({exhibit.year})', "")
        yield exhibit.history
        yield ""
        yield f"Source: {exhibit.source}."
        yield ""
        liveness = " --liveness" if exhibit.liveness else ""
        yield f"`swaprace explore {exhibit.variant} --scenario {exhibit.race}{liveness}`"
        told = played.told if played else None
        if told is not None:
            yield from _finding(exhibit, played, told.diagram, told.token, told.sentence, told.detail)


def _finding(
    exhibit: Exhibit, played: Played | None, diagram: list[str], token: str, sentence: str, detail: str
) -> Iterator[str]:
    yield from ("", f"{sentence} {detail}".strip(), "")
    yield from ("```", *diagram, "```", "", "```", replay_command(token), "```")
    if played is not None and played.counterpart is not None and played.counterpart.clean:
        yield ""
        yield f"Without the bug, `{exhibit.fixed}`:"
        yield ""
        yield from (f"- {line}" for line in played.counterpart.coverage)
