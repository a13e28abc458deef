"""The tables of `swaprace study` on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from server.cli.output import table_for
from server.cli.tables import STYLES
from server.compare.models import MetricComparison
from server.compare.wording import LABELS, change_text, metric_text
from server.schemas import Arm, Study
from server.study import StudyPlan

if TYPE_CHECKING:
    from server.study.summary import ArmSummary, CellSummary

COLUMNS = ("throughput_ops_s", "p50_ns", "p99_ns", "p999_ns")
WORDS = {"improved": "better", "regressed": "worse", "equivalent": "same", "inconclusive": "?", "not_comparable": "!"}


def show_plan(
    console: Console,
    plan: StudyPlan,
    listed: Sequence[tuple[Arm, int, int, int]],
    *,
    places: int,
    estimate: float,
    unknown: int,
) -> None:
    """Every run in its order, and about how long they take."""
    table = table_for(console, f"{plan.name}: {len(listed)} runs", ["run", "block", "seed", "protocol", "cell"])
    for number, (arm, block, _, seed) in enumerate(listed, 1):
        table.add_row(str(number), str(block), str(seed), arm.spec.protocol, arm.cell or "-")
    console.print(table)
    if len(listed) > unknown:
        where = "one after another" if places == 1 else f"at {places} places"
        console.print(f"about {duration_text(estimate)}, {where}", soft_wrap=True)
    if unknown:
        console.print(f"{unknown} runs of the cooperative executor take as long as their schedules do", soft_wrap=True)


def duration_text(seconds: float) -> str:
    """A time in two units: 1 h 12 min, 3 min 20 s, 45 s."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"


def show_summary(console: Console, study: Study, cells: Sequence[CellSummary], url: str) -> None:
    """A row an arm, cell by cell: figures, and for all but the baseline the change and its verdict."""
    console.print(Text(study.name, style="bold"))
    names = ["protocol", "runs", *(LABELS[name] for name in COLUMNS), "tick sleeps"]
    rows = [[_row(arm) for arm in cell.arms] for cell in cells]
    every = [[Text(name) for name in names], *(row for each in rows for row in each)]
    widths = [max(row[column].cell_len for row in every) for column in range(len(names))]
    console.print(_line(every[0], widths), soft_wrap=True)
    for cell, each in zip(cells, rows, strict=True):
        if cell.label:
            console.print(Text(cell.label.replace(".", ", ").replace("-", " "), style="bold"), soft_wrap=True)
        for row in each:
            console.print(_line(row, widths), soft_wrap=True)
    _show_notes(console, cells)
    ended = ", ".join(f"{number} {state.replace('_', ' ')}" for state, number in sorted(study.states.items()))
    console.print(f"study {study.id}: {ended}; {url} (start `swaprace serve`)", soft_wrap=True, markup=False)


def _row(arm: ArmSummary) -> list[Text]:
    figures = arm.figures
    runs = str(figures.runs) if figures.state == "valid" else f"{figures.runs} invalid"
    values = [_figure(arm, name) for name in COLUMNS]
    return [Text(f"  {arm.arm.spec.protocol}"), Text(runs), *values, Text(f"{figures.tick_sleeps:,}")]


def _line(row: Sequence[Text], widths: Sequence[int]) -> Text:
    """Names to the left, figures to the right; nothing is cut off, whatever the width of the terminal."""
    line = Text()
    for number, (cell, width) in enumerate(zip(row, widths, strict=True)):
        blanks = " " * (width - cell.cell_len)
        line.append_text(Text.assemble(cell, blanks) if number == 0 else Text.assemble("  ", blanks, cell))
    return line


def _figure(arm: ArmSummary, name: str) -> Text:
    value = metric_text(name, getattr(arm.figures, name))
    metric: MetricComparison | None = None if arm.comparison is None else arm.comparison.metrics.get(name)
    if metric is None:
        return Text(value)
    change = "" if metric.change is None else f" {change_text(metric.change)}"
    return Text(f"{value}{change} {WORDS[metric.verdict]}", style=STYLES[metric.verdict])


def _show_notes(console: Console, cells: Sequence[CellSummary]) -> None:
    """What the marks mean, why arms cannot be compared, and which laws were violated."""
    arms = [(cell, arm) for cell in cells for arm in cell.arms]
    if any(arm.comparison for _, arm in arms):
        console.print("better, worse, same: 95 % CI, Holm over the metrics of a cell; ?: inconclusive; !: refused")
    for cell, arm in arms:
        where = f"{arm.arm.name}" if cell.label else arm.arm.spec.protocol
        if arm.violated:
            console.print(Text(f"{where} violated {', '.join(arm.violated)}", style="red"), soft_wrap=True)
        if arm.comparison is not None and not arm.comparison.comparable:
            console.print(Text(f"{where}: {arm.comparison.reason}", style="red"), soft_wrap=True)
