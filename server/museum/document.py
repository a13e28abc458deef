"""docs/museum.md, made of the exhibits and the record of the last visit."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from server.exploring.texts import replay_command, seconds_text
from server.museum.record import STRATEGIES, Record, is_kept
from workers.exhibits import EXHIBITS, Exhibit
from workers.exploration import ExhibitTold, Strategy

HEAD = """# The museum

Bugs that swap-in synchronization has had, each as a protocol of a few lines of its own (`workers/protocols/museum`), in
a race that provokes it. None is found by a law made for it alone: [laws.md](laws.md) has all laws. `swaprace museum
run` plays every exhibit and writes this page; `swaprace replay TOKEN --step` walks through one. Number 39 came out of
random mixes here, and real kernels do it ([kernels.md](kernels.md)). Numbers 37 and 40 have no exhibit: all versions
that have the step have the bug, and are told to break a law by it ([laws.md](laws.md#known-to-be-broken)).

A figure is the schedules and the time until the first finding of seed 1, on one core; a dash: not found in that time.
Seeds: how many of them find it, by PCT unless told. The counterpart is the protocol without the bug, in the same race.
"""
WIDTH = 120
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
    kept = sum(map(is_kept, record.played))
    promised = "found by two strategies and by every seed, or bounding, beside a clean counterpart"
    yield from wrap(f"{told} {kept} of {len(EXHIBITS)} exhibits are {promised}.", WIDTH)


def _table(record: Record | None) -> Iterator[str]:
    yield f"| {' | '.join(COLUMNS)} |"
    yield "| " + " | ".join("---" for _ in COLUMNS) + " |"
    for exhibit in in_order():
        played = record.of(exhibit.number) if record else None
        yield f"| {' | '.join(cells(exhibit, played))} |"


def in_order() -> list[Exhibit]:
    """The exhibits by number."""
    return [EXHIBITS[number] for number in sorted(EXHIBITS)]


def cells(exhibit: Exhibit, played: ExhibitTold | None) -> list[str]:
    """A row of the table, in the order of COLUMNS."""
    first = [f"[{exhibit.number}](#{exhibit.number})", exhibit.title, str(exhibit.year)]
    laws = ", ".join(exhibit.laws)
    if played is None:
        return [*first, "-", f"`{exhibit.race}`", laws, *["not played"] * len(STRATEGIES), "-", "-"]
    return [
        *first,
        str(played.lines),
        f"`{exhibit.race}`",
        law_of(exhibit, played),
        *(search_text(played, strategy) for strategy in STRATEGIES),
        seeds_text(played),
        counterpart_text(exhibit, played),
    ]


def law_of(exhibit: Exhibit, played: ExhibitTold | None) -> str:
    """The law that told it; those that may, before it was played."""
    return played.finding.law if played is not None and played.finding is not None else ", ".join(exhibit.laws)


def search_text(played: ExhibitTold, strategy: Strategy) -> str:
    """Schedules and time of one strategy: 59 in 334 us."""
    search = played.searches.get(strategy)
    return f"{search.schedules:,} in {seconds_text(search.seconds)}" if search is not None and search.found else "-"


def seeds_text(played: ExhibitTold) -> str:
    """How many seeds find it: 20 of 20 by pct."""
    return f"{played.seeds_found} of {played.seeds} by {played.seeds_strategy}"


def counterpart_text(exhibit: Exhibit, played: ExhibitTold) -> str:
    """What was covered of the protocol without the bug."""
    if played.fixed_violation is not None:
        return f"{exhibit.fixed}: {played.fixed_violation}"
    how = "exhausted, " if played.fixed_exhausted else ""
    return f"{exhibit.fixed}: {how}{played.fixed_schedules:,} schedules"


def _exhibits(record: Record | None) -> Iterator[str]:
    for exhibit in in_order():
        played = record.of(exhibit.number) if record else None
        liveness = " --liveness" if exhibit.liveness else ""
        yield from ("", f'## <a id="{exhibit.number}"></a>{exhibit.number}. {exhibit.title} ({exhibit.year})', "")
        yield from wrap(exhibit.history, WIDTH)
        yield from ("", *wrap(f"Source: {exhibit.source}.", WIDTH), "")
        yield f"`swaprace explore {exhibit.variant} --scenario {exhibit.race}{liveness}`"
        finding = played.finding if played else None
        if finding is not None:
            yield from ("", "```", *finding.diagram, "```", "", "```", replay_command(finding.token), "```")
        if played is not None:
            yield from (
                "",
                *wrap(f"Without the bug, {counterpart_text(exhibit, played)}. {played.fixed_sentence}", WIDTH),
            )
