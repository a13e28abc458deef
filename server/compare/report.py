"""A comparison as one self-contained HTML page: verdicts in words, charts with a table behind each, circumstances."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from server.compare import wording
from server.compare.curves import TABLE_QUANTILES, ecdf, merged, percentile_curve, share_at
from server.compare.likeness import flatten
from server.compare.models import MIN_BEYOND_SHOWN, Comparison, RunFigures
from server.compare.quantiles import SWAP_IN, enough_beyond, quantile_ns
from workers.outcome import Histogram, Violation

PAGE = Path(__file__).parent / "page"
ECDF_LATENCIES_NS = (1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 2e7, 5e7)


def render_report(
    comparison: Comparison,
    arms: Mapping[str, Sequence[RunFigures]],
    *,
    violations: Mapping[str, Sequence[Violation]],
    url: str,
) -> str:
    """The page as text. `arms` holds the runs of baseline and candidate, in this order, by the arms' names.

    Everything is inside the page, Plotly's script too, about 5 MB: it opens from a file and without a network.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(PAGE),
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
    )
    names = list(arms)
    runs = {name: list(of_arm) for name, of_arm in arms.items()}
    first = runs[names[0]][0]
    return environment.get_template("report.html").render(
        comparison=comparison,
        baseline=names[0],
        candidate=names[1],
        figures={names[0]: comparison.baseline, names[1]: comparison.candidate},
        runs=runs,
        headline=wording.headline(comparison, names[0], names[1]),
        findings={name: wording.finding_text(m, names[1]) for name, m in comparison.metrics.items()},
        labels=wording.LABELS,
        causes=_causes(comparison),
        metric_text=wording.metric_text,
        zip=zip,
        config=flatten({k: v for k, v in first.config.items() if k not in ("protocol", "seed")}),
        environment=flatten(first.environment),
        hz=first.config.get("hz"),
        percentile_rows=_percentile_rows(runs),
        ecdf_rows=_ecdf_rows(runs, first.config.get("hz")),
        violations=violations,
        url=url,
        data=_script_json(_chart_data(comparison, runs, first.config.get("hz"))),
        style=(PAGE / "report.css").read_text(encoding="utf-8"),
        script=(PAGE / "report.js").read_text(encoding="utf-8"),
        plotly=plotly_script(),
    )


def plotly_script() -> str:
    """The minified script of the installed plotly package."""
    return (importlib.resources.files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


def _script_json(value: Any) -> str:
    """JSON that may stand inside a script element: no text in it can end the element."""
    text = json.dumps(value, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _histograms(runs: Sequence[RunFigures]) -> list[Histogram]:
    return [run.histograms[SWAP_IN] for run in runs if SWAP_IN in run.histograms]


def _chart_data(comparison: Comparison, runs: Mapping[str, Sequence[RunFigures]], hz: Any) -> dict[str, Any]:
    figures = (comparison.baseline, comparison.candidate)
    return {
        "hz": hz,
        "arms": [
            {
                "name": name,
                "percentiles": percentile_curve(_histograms(of_arm)).model_dump(),
                "ecdf": ecdf(_histograms(of_arm)).model_dump(),
                "waits": {cause: wait.per_operation_ns or 0.0 for cause, wait in arm.waits.items()},
            }
            for (name, of_arm), arm in zip(runs.items(), figures, strict=True)
        ],
        "causes": _causes(comparison),
        "metrics": [
            {
                "label": wording.LABELS[name],
                "ratios": [1.0 + difference for difference in metric.differences],
                "blocks": metric.blocks,
                "estimate": None if metric.change is None else 1.0 + metric.change,
                "interval": None if metric.ci is None else [1.0 + bound for bound in metric.ci],
                "verdict": metric.verdict,
            }
            for name, metric in comparison.metrics.items()
        ],
        "margin": comparison.equivalence_margin,
    }


def _causes(comparison: Comparison) -> dict[str, str]:
    """Causes of waiting that came up in either arm -> their names."""
    arms = (comparison.baseline, comparison.candidate)
    return {cause: wording.cause_text(cause) for arm in arms for cause, wait in arm.waits.items() if wait.count}


def _percentile_rows(runs: Mapping[str, Sequence[RunFigures]]) -> list[tuple[str, list[float | None]]]:
    together = [merged(_histograms(of_arm)) for of_arm in runs.values()]
    return [
        (
            f"p{q * 100:.10g}",
            [quantile_ns(h, q) if enough_beyond(h.total, q, MIN_BEYOND_SHOWN) else None for h in together],
        )
        for q in TABLE_QUANTILES
    ]


def _ecdf_rows(runs: Mapping[str, Sequence[RunFigures]], hz: Any) -> list[tuple[float, list[float | None]]]:
    together = [merged(_histograms(of_arm)) for of_arm in runs.values()]
    ticks = {1e9 / hz, 2e9 / hz} if isinstance(hz, int) and hz > 0 else set()
    return [(latency, [share_at(h, latency) for h in together]) for latency in sorted({*ECDF_LATENCIES_NS, *ticks})]
