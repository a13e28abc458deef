"""The tables and sentences of `compare` and `run` on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from server.cli.output import table_for
from server.compare import ArmFigures, Comparison, WaitFigures
from server.compare.wording import (
    LABELS,
    cause_text,
    change_text,
    headline,
    metric_text,
    ns_text,
    p_text,
    rate_text,
    verdict_text,
)
from workers.outcome import Violation

STYLES = {"improved": "green", "regressed": "red", "equivalent": "", "inconclusive": "yellow", "not_comparable": "red"}
WIDE = 100  # columns that the waits of two arms take with their totals
QUANTILE_COLUMNS = ("p50_ns", "p90_ns", "p99_ns", "p999_ns")


def show_arms(console: Console, arms: Mapping[str, ArmFigures]) -> None:
    """Latency of a swap-in, throughput and tick sleeps, one row an arm."""
    columns = ["", "p50", "p90", "p99", "p99.9", "throughput", "tick sleeps", "runs"]
    table = table_for(console, "swap-in latency, median of runs", columns)
    for name, arm in arms.items():
        quantiles = [ns_text(getattr(arm, column)) for column in QUANTILE_COLUMNS]
        runs = str(arm.runs) if arm.state == "valid" else f"{arm.runs} (invalid)"
        table.add_row(name, *quantiles, rate_text(arm.throughput_ops_s), f"{arm.tick_sleeps:,}", runs)
    console.print(table)


def show_waits(console: Console, arms: Mapping[str, Mapping[str, WaitFigures]]) -> None:
    """Causes of waiting side by side: how often, total time where the console is wide enough, and time a swap-in."""
    if not any(arms.values()):
        return
    wide = console.width >= WIDE
    parts = ("count", "total", "a swap-in") if wide else ("count", "a swap-in")
    columns = ["", *(f"{name}\n{part}" for name in arms for part in parts)]
    table = table_for(console, "waits, all runs of an arm together", columns)
    for cause in dict.fromkeys(cause for waits in arms.values() for cause in waits):
        cells = []
        for waits in arms.values():
            wait = waits.get(cause)
            total = [ns_text(wait.total_ns if wait else None)] if wide else []
            cells += [f"{wait.count:,}" if wait else "-", *total, ns_text(wait.per_operation_ns if wait else None)]
        table.add_row(cause_text(cause), *cells)
    console.print(table)


def show_verdicts(console: Console, comparison: Comparison, baseline: str, candidate: str) -> None:
    """The verdicts in words, then their figures."""
    console.print(Text(headline(comparison, baseline, candidate), style="bold"), soft_wrap=True)
    if not comparison.comparable:
        return
    for metric in comparison.metrics.values():
        sentence = verdict_text(metric, candidate)
        console.print(Text(f"  {sentence}", style=STYLES[metric.verdict]), soft_wrap=True)
    columns = ["", baseline, candidate, "change", "p", "p (Holm)"]
    table = table_for(console, "", columns)
    for name, metric in comparison.metrics.items():
        table.add_row(
            LABELS[name],
            metric_text(name, metric.baseline),
            metric_text(name, metric.candidate),
            change_text(metric.change),
            p_text(metric.p),
            p_text(metric.p_holm),
        )
    console.print()
    console.print(table)
    console.print(f"{comparison.method}.", soft_wrap=True)
    for note in comparison.notes:
        console.print(f"note: {note}", soft_wrap=True)


def show_violations(console: Console, violations: Mapping[str, Sequence[Violation]]) -> None:
    """The violated laws of each arm, a line a law with its first detail and how to replay it; nothing when none is."""
    for arm, found in violations.items():
        for law in dict.fromkeys(violation.law for violation in found):
            of_law = [violation for violation in found if violation.law == law]
            count = sum(violation.count for violation in of_law)
            first = of_law[0]
            line = f"{arm}: law {law} violated {count:,} times: {first.sentence} First: {first.detail}"
            console.print(Text(line, style="red"), soft_wrap=True)
            if first.schedule:
                console.print(f"  replay: --executor cooperative --schedule {first.schedule}", soft_wrap=True)
