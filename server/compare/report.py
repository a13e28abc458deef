"""A comparison as HTML: verdicts in words, plots with a table behind each, circumstances.

The same body stands in the page /comparisons/{id} and in the report, one self-contained file.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from server.compare import wording
from server.compare.curves import TABLE_QUANTILES, merged, share_at
from server.compare.likeness import flatten
from server.compare.lock_table import lock_table
from server.compare.models import MIN_BEYOND_SHOWN, Comparison, RunFigures
from server.compare.plots import PLOTS, Plots, histograms_of
from server.compare.quantiles import enough_beyond, quantile_ns
from workers.outcome import Violation

SERVER = Path(__file__).resolve().parents[1]
STATIC = SERVER / "static"
STYLES = ("swaprace.css", "charts.css", "compare.css")
ECDF_LATENCIES_NS = (1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 2e7, 5e7)
MEDIA = {"svg": "image/svg+xml", "csv": "text/csv"}

LinkTo = Callable[[str, str], str]


def render_report(
    comparison: Comparison,
    arms: Mapping[str, Sequence[RunFigures]],
    *,
    violations: Mapping[str, Sequence[Violation]],
    url: str,
) -> str:
    """The report as text. `arms` holds the runs of baseline and candidate, in this order, by the arms' names.

    Everything is inside, styles, drawings and the CSV behind them: it opens from a file and without a network.
    """
    plots = Plots(comparison, arms)

    def within(plot: str, kind: str) -> str:
        text = plots.file(plot) if kind == "svg" else plots.csv(plot)
        return f"data:{MEDIA[kind]};base64,{base64.b64encode(text.encode()).decode()}"

    names = list(arms)
    return (
        _templates()
        .get_template("report.html")
        .render(
            title=f"{names[1]} against {names[0]}",
            body=render_body(plots, violations=violations, link_to=within),
            style=Markup("\n".join((STATIC / name).read_text(encoding="utf-8") for name in STYLES)),
            script=Markup((STATIC / "plot.js").read_text(encoding="utf-8")),
            url=url,
        )
    )


def render_body(
    plots: Plots,
    *,
    violations: Mapping[str, Sequence[Violation]],
    link_to: LinkTo,
    run_url: Callable[[int | str], str] | None = None,
) -> Markup:
    """The part that page and report share. `link_to(plot, "svg" or "csv")` is the address of a plot as a file."""
    comparison, arms = plots.comparison, plots.arms
    names = list(arms)
    first = next(iter(arms.values()))[0]
    text = (
        _templates()
        .get_template("body.html")
        .render(
            comparison=comparison,
            baseline=names[0],
            candidate=names[1],
            figures={names[0]: comparison.baseline, names[1]: comparison.candidate},
            runs=arms,
            lead=wording.lead(comparison, names[0], names[1]),
            findings={name: wording.finding_text(m, names[1]) for name, m in comparison.metrics.items()},
            labels=wording.LABELS,
            locks=lock_table(comparison, names),
            metric_text=wording.metric_text,
            differing=_differing(arms),
            config=flatten({k: v for k, v in first.config.items() if k not in ("protocol", "seed")}),
            environment=flatten(first.environment),
            hz=plots.hz,
            causes={cause: wording.cause_text(cause) for cause in plots.causes},
            percentile_rows=_percentile_rows(arms),
            ecdf_rows=_ecdf_rows(arms, plots.hz),
            violations=violations,
            drawings={name: Markup(plots.inline(name)) for name in PLOTS},
            link_to=link_to,
            run_url=run_url,
        )
    )
    return Markup(text)


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        ns=wording.ns_text,
        rate=wording.rate_text,
        change=wording.change_text,
        interval=wording.interval_text,
        p=wording.p_text,
        state_text=lambda state: state.replace("_", " "),
    )
    environment.globals["zip"] = zip
    return environment


def _differing(arms: Mapping[str, Sequence[RunFigures]]) -> list[tuple[str, list[str]]]:
    """Key -> the value of each arm, of every key of the configuration in which the arms differ."""
    seen: list[dict[str, set[str]]] = []
    for runs in arms.values():
        of_arm: dict[str, set[str]] = {}
        for run in runs:
            for key, value in flatten({k: v for k, v in run.config.items() if k != "seed"}).items():
                of_arm.setdefault(key, set()).add(str(value))
        seen.append(of_arm)
    keys = sorted(set().union(*seen))
    values = [(key, [", ".join(sorted(of_arm.get(key, {"absent"}))) for of_arm in seen]) for key in keys]
    return [(key, told) for key, told in values if len(set(told)) > 1 or "," in told[0]]


def _percentile_rows(runs: Mapping[str, Sequence[RunFigures]]) -> list[tuple[str, list[float | None]]]:
    together = [merged(histograms_of(of_arm)) for of_arm in runs.values()]
    return [
        (
            f"p{q * 100:.10g}",
            [quantile_ns(h, q) if enough_beyond(h.total, q, MIN_BEYOND_SHOWN) else None for h in together],
        )
        for q in TABLE_QUANTILES
    ]


def _ecdf_rows(runs: Mapping[str, Sequence[RunFigures]], hz: Any) -> list[tuple[float, list[float | None]]]:
    together = [merged(histograms_of(of_arm)) for of_arm in runs.values()]
    ticks = {1e9 / hz, 2e9 / hz} if isinstance(hz, int) and hz > 0 else set()
    return [(latency, [share_at(h, latency) for h in together]) for latency in sorted({*ECDF_LATENCIES_NS, *ticks})]
