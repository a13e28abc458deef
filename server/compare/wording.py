"""Figures and verdicts in words, for the terminal and for the report."""

from __future__ import annotations

import math

from server.compare.models import EQUIVALENCE_MARGIN, Comparison, MetricComparison

LABELS = {
    "throughput_ops_s": "throughput",
    "p50_ns": "p50",
    "p90_ns": "p90",
    "p99_ns": "p99",
    "p999_ns": "p99.9",
    "p9999_ns": "p99.99",
}
MISSING = "-"


def cause_text(cause: str) -> str:
    """A cause of waiting as words: tick_sleep is tick sleep."""
    return cause.replace("_", " ")


def ns_text(value_ns: float | None) -> str:
    """A time with three digits and its unit: 850 ns, 12.3 us, 4.02 ms, 1.50 s; a dash for None."""
    if value_ns is None:
        return MISSING
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if value_ns >= size * 0.9995:
            return f"{_three_digits(value_ns / size)} {unit}"
    return f"{value_ns:.0f} ns" if value_ns >= 100 or value_ns == int(value_ns) else f"{value_ns:.3g} ns"


def rate_text(value: float | None) -> str:
    """A rate with three digits: 1.23 M/s, 45.6 k/s, 789 /s; a dash for None."""
    if value is None:
        return MISSING
    for unit, size in ((" M/s", 1e6), (" k/s", 1e3)):
        if value >= size * 0.9995:
            return _three_digits(value / size) + unit
    return f"{value:.3g} /s"


def _three_digits(value: float) -> str:
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def metric_text(metric: str, value: float | None) -> str:
    """A value of a metric with its unit."""
    return rate_text(value) if metric == "throughput_ops_s" else ns_text(value)


def change_text(change: float | None) -> str:
    """A relative change: +12.3 %, -0.4 %, and from three times on as a factor, 4.2 x; a dash for None."""
    if change is None:
        return MISSING
    return f"{change:+.1%}".replace("%", " %") if change < 2 else f"{change + 1:.3g} x"


def interval_text(ci: tuple[float, float] | None) -> str:
    """An interval of relative changes: -12.0 % to -8.1 %; a dash for None."""
    return MISSING if ci is None else f"{change_text(ci[0])} to {change_text(ci[1])}"


def p_text(p: float | None) -> str:
    """A p-value with two digits; a dash for None."""
    return MISSING if p is None else f"{p:.2g}" if p >= 0.001 else f"{p:.1e}"


def verdict_text(metric: MetricComparison, candidate: str) -> str:
    """One metric as a sentence: p99 improved: swap_cache takes 76.1 % less time."""
    return f"{LABELS[metric.metric]} {metric.verdict.replace('_', ' ')}: {finding_text(metric, candidate)}"


def finding_text(metric: MetricComparison, candidate: str) -> str:
    """What a verdict rests on, with its figures where there are any."""
    if metric.verdict in ("improved", "regressed"):
        return f"{candidate} {_against(metric)} ({figures_text(metric)})"
    if metric.verdict == "equivalent":
        return f"no change beyond {EQUIVALENCE_MARGIN * 100:g} % ({figures_text(metric)})"
    return f"{metric.reason}" + (f" ({figures_text(metric)})" if metric.change is not None else "")


def figures_text(metric: MetricComparison) -> str:
    """Change, interval, n and p of one metric."""
    interval = "no 95 % CI" if metric.ci is None else f"95 % CI {interval_text(metric.ci)}"
    return f"{change_text(metric.change)}, {interval}, n = {metric.n}, p = {p_text(metric.p)}"


def _against(metric: MetricComparison) -> str:
    assert metric.change is not None, metric.metric
    factor = 1 + metric.change
    if metric.metric == "throughput_ops_s":
        return f"does {factor:.3g} times the work" if factor >= 2 else f"does {_percent(metric.change)} work"
    if factor >= 2:
        return f"takes {factor:.3g} times as long"
    return f"takes 1/{1 / factor:.3g} of the time" if factor <= 0.5 else f"takes {_percent(metric.change)} time"


def _percent(change: float) -> str:
    return f"{abs(change):.1%} {'more' if change > 0 else 'less'}".replace("%", " %")


def headline(comparison: Comparison, baseline: str, candidate: str) -> str:
    """The whole comparison in one sentence."""
    if not comparison.comparable:
        return f"{baseline} and {candidate} cannot be compared: {comparison.reason}"
    parts = []
    for verdict in ("improved", "regressed", "equivalent", "inconclusive"):
        names = [LABELS[name] for name, metric in comparison.metrics.items() if metric.verdict == verdict]
        if names:
            parts.append(f"{verdict}: {', '.join(names)}")
    return f"{candidate} against {baseline}: " + "; ".join(parts)


def lead(comparison: Comparison, baseline: str, candidate: str) -> str:
    """What a reader takes along: the largest change for better and for worse, in sentences without figures of tests."""
    if not comparison.comparable:
        return headline(comparison, baseline, candidate)
    said = []
    for verdict in ("improved", "regressed"):
        found = [metric for metric in comparison.metrics.values() if metric.verdict == verdict]
        if found:
            metric = max(found, key=lambda each: abs(math.log1p(max(each.change or 0.0, -0.999999))))
            said.append(f"{LABELS[metric.metric]} {verdict}: {candidate} {_against(metric)}")
    if not said:
        return f"{candidate} shows no change against {baseline} that these runs can prove"
    return "; ".join(said)
