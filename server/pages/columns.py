"""The columns that a list of runs can show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from server.compare.wording import MISSING, ns_text, rate_text
from server.pages.filters import ago_text, count_text, number_text
from server.store.browse import ListedRun


@dataclass(frozen=True)
class Column:
    """One column. `sort` is the field that its heading sorts by; `text` writes a cell."""

    name: str
    label: str
    text: Callable[[ListedRun], str]
    sort: str | None = None
    numeric: bool = False


def _plain(name: str) -> Callable[[ListedRun], str]:
    def text(row: ListedRun) -> str:
        value = row[name]
        return MISSING if value is None else str(value)

    return text


def _figure(read: Callable[[ListedRun], Any], told: Callable[[float | None], str]) -> Callable[[ListedRun], str]:
    """A cell that holds no number where a number should be is shown as it is."""

    def text(row: ListedRun) -> str:
        value = read(row)
        return told(value) if value is None or isinstance(value, int | float) else str(value)

    return text


def _metric(name: str) -> Callable[[ListedRun], Any]:
    return lambda row: row.metrics.get(name)


def _spec(*path: str) -> Callable[[ListedRun], Any]:
    def read(row: ListedRun) -> Any:
        value: Any = row.spec
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        return value

    return read


def _told(read: Callable[[ListedRun], Any]) -> Callable[[ListedRun], str]:
    def text(row: ListedRun) -> str:
        value = read(row)
        return MISSING if value is None else str(value)

    return text


def _latency(name: str, label: str) -> Column:
    return Column(name, label, _figure(lambda row: row[name], ns_text), name, True)


COLUMNS = {
    column.name: column
    for column in (
        Column("state", "state", _plain("state"), "state"),
        Column("protocol", "protocol", _plain("protocol"), "protocol"),
        Column("scenario", "scenario", _plain("scenario"), "scenario"),
        Column("trace", "trace", _told(_spec("trace"))),
        Column("executor", "executor", _plain("executor")),
        Column("cpus", "CPUs", _plain("cpus"), "cpus", True),
        Column("hz", "HZ", _told(_spec("hz")), None, True),
        Column("device", "device", _told(_spec("device", "kind"))),
        Column("seconds", "seconds", _figure(_spec("seconds"), number_text), None, True),
        Column("seed", "seed", _plain("seed"), None, True),
        _latency("p50_ns", "p50"),
        Column("p90_ns", "p90", _figure(_metric("p90_ns"), ns_text), None, True),
        _latency("p99_ns", "p99"),
        _latency("p999_ns", "p99.9"),
        Column("p9999_ns", "p99.99", _figure(_metric("p9999_ns"), ns_text), None, True),
        Column(
            "throughput_ops_s",
            "throughput",
            _figure(lambda row: row["throughput_ops_s"], rate_text),
            "throughput_ops_s",
            True,
        ),
        Column("swap_ins", "swap-ins", _figure(_metric("swap_ins"), count_text), None, True),
        Column("tick_sleeps", "tick sleeps", _figure(_metric("tick_sleeps"), count_text), None, True),
        Column("study", "study", _plain("study_id"), None, True),
        Column("arm", "arm", _plain("arm")),
        Column("block", "block", _plain("block"), None, True),
        Column("attempts", "attempts", _plain("attempts"), None, True),
        Column("host", "host", _plain("host"), "host"),
        Column("reason", "reason", _plain("reason")),
        Column("created", "created", lambda row: ago_text(row["created_at"]), "id"),
        Column("finished", "finished", lambda row: ago_text(row["finished_at"]), "finished"),
    )
}
USUAL = (
    "state",
    "protocol",
    "scenario",
    "cpus",
    "p50_ns",
    "p99_ns",
    "p999_ns",
    "throughput_ops_s",
    "tick_sleeps",
    "study",
    "created",
)


def chosen(text: str | None) -> tuple[list[Column], list[str]]:
    """The columns that a comma-separated list names, and the names that are none; the usual ones for no text."""
    names = list(dict.fromkeys(text.split(","))) if text else list(USUAL)
    return [COLUMNS[name] for name in names if name in COLUMNS], [name for name in names if name not in COLUMNS]


def toggled(columns: list[Column], name: str) -> str | None:
    """The list of columns with one put in, at its place in COLUMNS, or taken out; None for the usual ones."""
    names = {column.name for column in columns} ^ {name}
    ordered = [each for each in COLUMNS if each in names]
    return None if set(ordered) == set(USUAL) or not ordered else ",".join(ordered)
