"""A comparison as text: the block that is pasted into a mail, Markdown, CSV."""

from __future__ import annotations

import csv
import io
import textwrap
from dataclasses import dataclass
from typing import Any

from server.compare.models import Comparison, MetricComparison
from server.compare.wording import LABELS, change_text, headline, interval_text, metric_text, p_text

MAIL_COLUMNS = 72  # what a mail is wrapped at
SHORT_LABELS = {**LABELS, "throughput_ops_s": "ops/s"}
CSV_COLUMNS = (
    "metric",
    "verdict",
    "baseline",
    "baseline_spread",
    "candidate",
    "candidate_spread",
    "change",
    "ci_low",
    "ci_high",
    "p",
    "p_holm",
    "n",
    "reason",
)


@dataclass(frozen=True)
class Told:
    """What stands beside the figures: names of the arms, what was run and where, which laws held, how to repeat it."""

    baseline: str
    candidate: str
    workload: str
    host: str
    laws: str
    command: str


def mail_block(comparison: Comparison, told: Told) -> str:
    """At most 72 columns: workload, a row a metric, laws, and the command that repeats it."""
    pairs = (
        f"{comparison.n} pairs"
        if comparison.paired
        else f"{comparison.baseline.runs} and {comparison.candidate.runs} runs"
    )
    lines = [f"{told.candidate} against {told.baseline}, swap-in latency and throughput, {pairs}"]
    lines = [part for line in lines for part in _wrapped("", line)]
    lines += _wrapped("workload: ", told.workload) + _wrapped("host:     ", told.host) + [""]
    if comparison.comparable:
        lines += [*_rows(comparison), ""]
        doubts = [f"{LABELS[m.metric]}: {m.reason}" for m in comparison.metrics.values() if m.reason]
        lines += [part for doubt in doubts for part in _wrapped("", doubt)]
        lines += _wrapped("", "+- is the standard deviation over runs; change with its 95 % CI; p after Holm.")
    else:
        lines += _wrapped("", headline(comparison, told.baseline, told.candidate))
    lines += [*_wrapped("laws:     ", told.laws), "reproduce:"]
    return "\n".join([*lines, *_command(told.command)]) + "\n"


def _wrapped(label: str, text: str) -> list[str]:
    """`text` after `label`, folded at 72 columns; a word that is longer is broken."""
    return textwrap.wrap(
        text, MAIL_COLUMNS, initial_indent=label, subsequent_indent=" " * len(label), break_on_hyphens=False
    )


def _command(command: str) -> list[str]:
    """The command, continued with a backslash where it is too long for a line, so that it can be pasted."""
    lines = textwrap.wrap(
        command,
        MAIL_COLUMNS - 2,
        initial_indent="  ",
        subsequent_indent="      ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [*(f"{line} \\" for line in lines[:-1]), *lines[-1:]]


def _rows(comparison: Comparison) -> list[str]:
    """The table, in the widest form that fits."""
    for gap in (" ", "", None):
        cells = [["", "before", "after", "change", "95 % CI", "n", "p", ""]]
        cells += [_cells(metric, gap) for metric in comparison.metrics.values()]
        widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]) - 1)]
        rows = []
        for row in cells:
            padded = [row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in range(1, len(widths)))]
            rows.append(" ".join([*padded, row[-1]]).rstrip())
        if max(map(len, rows)) <= MAIL_COLUMNS:
            break
    return rows


def _cells(metric: MetricComparison, gap: str | None) -> list[str]:
    low, high = ("", "") if metric.ci is None else map(_percent, metric.ci)
    ci = f"{low.removesuffix('%') if high.endswith('%') else low}..{high}" if high else "-"
    return [
        SHORT_LABELS[metric.metric],
        _with_spread(metric.metric, metric.baseline, metric.baseline_spread, gap),
        _with_spread(metric.metric, metric.candidate, metric.candidate_spread, gap),
        "-" if metric.change is None else _percent(metric.change),
        ci,
        str(metric.n),
        "-" if metric.p_holm is None else "<.001" if metric.p_holm < 0.001 else f"{metric.p_holm:.3f}",
        metric.verdict.replace("_", " "),
    ]


def _with_spread(metric: str, value: float | None, spread: float | None, gap: str | None) -> str:
    """A value with its unit, `gap` and its spread; with a gap of None, alone."""
    if value is None:
        return "-"
    shown = metric_text(metric, value).replace(" ", "").removesuffix("/s")
    if spread is None or gap is None:
        return shown
    return f"{shown}{gap}+-{'<1' if spread < 0.01 else f'{min(spread, 9.99) * 100:.0f}'}%"


def _percent(change: float) -> str:
    """A relative change in few characters: -99.7%, +3.1%, and from three times on 4.2x."""
    if change < 2:
        return f"{change:+.1%}"
    return f"{change + 1:.3g}x" if change < 998 else f"{change + 1:.0f}x"


def markdown(comparison: Comparison, told: Told) -> str:
    """A heading in words, a table, the circumstances."""
    lines = [f"**{_escaped(headline(comparison, told.baseline, told.candidate))}**", ""]
    if comparison.comparable:
        lines.append(
            f"| | {_escaped(told.baseline)} | {_escaped(told.candidate)} | change | 95 % CI | n | p (Holm) | verdict |"
        )
        lines.append("| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
        for metric in comparison.metrics.values():
            before = _spread_text(metric.metric, metric.baseline, metric.baseline_spread)
            after = _spread_text(metric.metric, metric.candidate, metric.candidate_spread)
            verdict = metric.verdict.replace("_", " ") + (f": {metric.reason}" if metric.reason else "")
            figures = [before, after, change_text(metric.change), interval_text(metric.ci)]
            cells = [LABELS[metric.metric], *figures, str(metric.n), p_text(metric.p_holm), _escaped(verdict)]
            lines.append(f"| {' | '.join(cells)} |")
        lines += ["", f"± is the standard deviation over runs. {_escaped(comparison.method)}."]
    lines += ["", f"- workload: {_escaped(told.workload)}", f"- host: {_escaped(told.host)}"]
    lines += [f"- laws: {_escaped(told.laws)}", "", "```", told.command, "```", ""]
    return "\n".join(lines)


def _spread_text(metric: str, value: float | None, spread: float | None) -> str:
    shown = metric_text(metric, value)
    return shown if value is None or spread is None else f"{shown} ± {spread:.1%}".replace("%", " %")


def _escaped(text: str) -> str:
    """A text that stands for itself in Markdown, in a table too."""
    return "".join(f"\\{each}" if each in "\\`*_{}[]<>#|" else each for each in text.replace("\n", " "))


def csv_text(comparison: Comparison) -> str:
    """One line a metric: times in ns, throughput in operations a second, changes and spreads as ratios."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for metric in comparison.metrics.values():
        low, high = metric.ci or (None, None)
        values: dict[str, Any] = {**metric.model_dump(), "ci_low": low, "ci_high": high}
        writer.writerow([values[column] for column in CSV_COLUMNS])
    return text.getvalue()
