"""Figures, times and states as templates write them."""

from __future__ import annotations

from datetime import UTC, datetime

from server.compare.wording import LABELS, MISSING, cause_text, change_text, interval_text, ns_text, p_text, rate_text


def count_text(value: float | int | None) -> str:
    """A count with its digits in threes: 12,345; a dash for None."""
    return MISSING if value is None else f"{value:,.0f}"


def number_text(value: float | int | None) -> str:
    """A number with up to four digits: 0.25, 12.5, 3; a dash for None."""
    return MISSING if value is None else f"{value:.4g}"


def bytes_text(value: float | None) -> str:
    """A size in binary units: 512 B, 1.50 MiB; a dash for None."""
    if value is None:
        return MISSING
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f} B"


def when_text(moment: str | None) -> str:
    """A stored time to the second, in UTC: 2026-11-23 06:32:54; a dash for None."""
    return MISSING if moment is None else f"{moment[:10]} {moment[11:19]}"


def ago_text(moment: str | None, now: datetime | None = None) -> str:
    """How long ago a stored time is: 5 s ago, 3 min ago, 2 h ago, 4 d ago; a dash for None."""
    if moment is None:
        return MISSING
    seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(moment)).total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return f"{max(0, int(seconds))} s ago"


def words_text(name: str) -> str:
    """The name of a column as words: ns_a_swap_in is ns a swap in."""
    return name.replace("_", " ")


def metric_text(name: str) -> str:
    """A metric as people call it: p999_ns is p99.9."""
    return LABELS.get(name, words_text(name))


def state_text(state: str) -> str:
    """A state as words: timed_out is timed out."""
    return state.replace("_", " ")


FILTERS = {
    "ago": ago_text,
    "bytes": bytes_text,
    "cause": cause_text,
    "change": change_text,
    "count": count_text,
    "interval": interval_text,
    "metric": metric_text,
    "ns": ns_text,
    "number": number_text,
    "p": p_text,
    "rate": rate_text,
    "state_text": state_text,
    "when": when_text,
    "words": words_text,
}
