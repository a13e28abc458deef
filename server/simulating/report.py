"""The figures of a simulation as one page of HTML: growth with CPUs, waits, locks, and the cost model they rest on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from server.charts.bars import Group, draw_bars
from server.charts.scaling import Growth, draw_growth
from server.charts.svg import NARROW, WIDE, Drawing, Form
from server.charts.words import ns_text as ns_mark
from server.charts.words import rate_text as rate_mark
from server.compare.wording import cause_text, ns_text, rate_text
from workers.simulation_spec import Cell, SimulationOutcome, SimulationSpec

STATIC = Path(__file__).resolve().parents[1] / "static"
STYLES = ("swaprace.css", "charts.css", "compare.css")
ARMS = 6  # that the style sheet tells apart
LATENCIES = {"p50_ns": "p50", "p99_ns": "p99", "p999_ns": "p99.9", "max_ns": "max"}

Figure = Callable[[Cell], float | None]


def both(draw: Callable[[Form], Drawing]) -> Markup:
    """A drawing for a page: wide, and for a phone's width."""
    return Markup(draw(WIDE).inline() + draw(NARROW).inline())


def growth(cells: Sequence[Cell], title: str, figure: Figure, told: Callable[[float], str]) -> tuple[str, Markup]:
    """A figure by number of CPUs, a line a protocol."""
    protocols = list(dict.fromkeys(cell.protocol for cell in cells))
    lines = [
        Growth(name, [(cell.cpus, figure(cell)) for cell in cells if cell.protocol == name], arm % ARMS)
        for arm, name in enumerate(protocols)
    ]
    return title, both(lambda form: draw_growth(lines, title, told, form))


def figures_of(cells: Sequence[Cell]) -> list[tuple[str, Markup]]:
    """All drawings: title and SVG. What is zero everywhere is not drawn."""
    found = [
        growth(cells, "Accesses a second of virtual time", lambda cell: cell.operations_per_second, rate_mark),
        growth(cells, "Swap-ins a second of virtual time", lambda cell: cell.swap_ins_per_second, rate_mark),
    ]
    for key, name in LATENCIES.items():
        if any(cell.latency.get(key) for cell in cells):
            found.append(growth(cells, f"Latency of a swap-in, {name}", partial(_latency, key), ns_mark))
    if any(cell.tick_sleeps for cell in cells):
        found.append(
            growth(
                cells,
                "Tick sleeps of 1000 swap-ins",
                lambda cell: (cell.tick_sleeps_per_swap_in or 0) * 1e3,
                lambda value: f"{value:.3g}",
            )
        )
    most = max(cell.cpus for cell in cells)
    largest = [cell for cell in cells if cell.cpus == most]
    causes = [cause for cause in largest[0].waits if any(cell.waits[cause].total_ns for cell in largest)]
    groups = [Group(cause_text(cause), [_wait(cell, cause) for cell in largest]) for cause in causes]
    title = f"Waiting by cause, time a CPU, {most} CPUs"
    names = [cell.protocol for cell in largest]
    if groups:
        found.append((title, both(lambda form: draw_bars(groups, names, title, form))))
    return found


def _latency(key: str, cell: Cell) -> float | None:
    return cell.latency[key]


def _wait(cell: Cell, cause: str) -> float:
    return cell.waits[cause].total_ns / cell.cpus


def render(spec: SimulationSpec, outcome: SimulationOutcome) -> str:
    """The page; it needs no network and no other file."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(ns=ns_text, rate=rate_text, count=lambda value: f"{value:,}")
    template = environment.get_template("report.html")
    return template.render(
        spec=spec,
        outcome=outcome,
        cells=outcome.cells,
        figures=figures_of(outcome.cells) if outcome.cells else [],
        model=model_rows(spec),
        style=Markup("\n".join((STATIC / name).read_text(encoding="utf-8") for name in STYLES)),
    )


def model_rows(spec: SimulationSpec) -> list[tuple[str, Any, str]]:
    """Figure, value, and where it comes from, of the whole cost model."""
    rows = []
    for table, figures in spec.model.model_dump().items():
        if table == "sources" or not isinstance(figures, dict):
            continue
        for name, value in figures.items():
            rows.append((f"{table}.{name}", value, source_of(spec, table, name)))
    return rows


def source_of(spec: SimulationSpec, table: str, name: str) -> str:
    """The source of a figure: the longest name that it begins with."""
    sources = spec.model.sources
    fitting = [key for key in sources if f"{table}.{name}".startswith(key)]
    return sources[max(fitting, key=len)] if fitting else "not stated"
