"""The plots of a comparison: what is drawn, and the same figures as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from server.charts.bars import Group, draw_bars
from server.charts.latency import Curve, draw_ecdf, draw_percentiles
from server.charts.ratios import Ratio, draw_forest, draw_pairs
from server.charts.svg import NARROW, STYLE, WIDE, Drawing, Form
from server.compare import wording
from server.compare.curves import ecdf, percentile_curve
from server.compare.models import Comparison, MetricComparison, RunFigures
from server.compare.quantiles import SWAP_IN
from workers.outcome import Histogram

PLOTS = ("percentiles", "waits", "forest", "pairs", "ecdf")


def histograms_of(runs: Sequence[RunFigures]) -> list[Histogram]:
    """The swap-in histograms of an arm's runs, of those that have one."""
    return [run.histograms[SWAP_IN] for run in runs if SWAP_IN in run.histograms]


@dataclass(frozen=True)
class Plots:
    """All plots of one comparison. `arms` holds the runs of baseline and candidate, in this order, by name."""

    comparison: Comparison
    arms: Mapping[str, Sequence[RunFigures]]

    @cached_property
    def hz(self) -> int | None:
        """Ticks a second of the runs; None when they do not agree on it."""
        seen = {run.config.get("hz") for runs in self.arms.values() for run in runs}
        value = seen.pop() if len(seen) == 1 else None
        return value if isinstance(value, int) and value > 0 else None

    @cached_property
    def curves(self) -> list[Curve]:
        """The latencies of each arm, all its runs together."""
        figures = (self.comparison.baseline, self.comparison.candidate)
        found = []
        for (name, runs), arm in zip(self.arms.items(), figures, strict=True):
            histograms = histograms_of(runs)
            percentiles, cumulative = percentile_curve(histograms), ecdf(histograms)
            found.append(
                Curve(
                    name,
                    **percentiles.model_dump(),
                    ecdf_ns=cumulative.latency_ns,
                    share=cumulative.share,
                    tick_sleeps=arm.tick_sleeps,
                )
            )
        return found

    @cached_property
    def causes(self) -> list[str]:
        """Causes of waiting that came up in either arm."""
        arms = (self.comparison.baseline, self.comparison.candidate)
        return list(dict.fromkeys(cause for arm in arms for cause, wait in arm.waits.items() if wait.count))

    @cached_property
    def ratios(self) -> list[Ratio]:
        """The metrics as ratios of candidate over baseline."""
        return [_ratio(metric) for metric in self.comparison.metrics.values()]

    def draw(self, name: str, form: Form) -> Drawing:
        """One plot in one form. KeyError: there is none of that name (PLOTS)."""
        margin = self.comparison.equivalence_margin
        drawn: dict[str, Callable[[], Drawing]] = {
            "percentiles": lambda: draw_percentiles(self.curves, self.hz, form),
            "waits": lambda: draw_bars(self._groups(), list(self.arms), "Waits of a swap-in by cause", form),
            "forest": lambda: draw_forest(self.ratios, margin, form),
            "pairs": lambda: draw_pairs(self.ratios, margin, form),
            "ecdf": lambda: draw_ecdf(self.curves, self.hz, form),
        }
        return drawn[name]()

    def inline(self, name: str) -> str:
        """One plot for a page: wide, and for a phone's width."""
        return self.draw(name, WIDE).inline() + self.draw(name, NARROW).inline()

    def file(self, name: str) -> str:
        """One plot as an SVG file with its style inside."""
        return self.draw(name, WIDE).standalone(STYLE.read_text(encoding="utf-8"))

    def csv(self, name: str) -> str:
        """The figures of one plot as CSV. KeyError: there is none of that name (PLOTS)."""
        rows: dict[str, Callable[[], list[list[object]]]] = {
            "percentiles": self._percentile_rows,
            "waits": self._wait_rows,
            "forest": self._forest_rows,
            "pairs": self._pair_rows,
            "ecdf": self._ecdf_rows,
        }
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows[name]())
        return text.getvalue()

    def _groups(self) -> list[Group]:
        arms = (self.comparison.baseline, self.comparison.candidate)
        return [
            Group(
                wording.cause_text(cause),
                [arm.waits[cause].per_operation_ns if cause in arm.waits else None for arm in arms],
            )
            for cause in self.causes
        ]

    def _percentile_rows(self) -> list[list[object]]:
        rows: list[list[object]] = [["arm", "percentile", "latency_ns", "lowest_run_ns", "highest_run_ns"]]
        for curve in self.curves:
            band = dict(zip(curve.band_tail, zip(curve.low_ns, curve.high_ns, strict=True), strict=True))
            for tail, latency in zip(curve.tail, curve.latency_ns, strict=True):
                rows.append([curve.name, f"{1 - 1 / tail:.8f}", round(latency, 1), *band.get(tail, ("", ""))])
        return rows

    def _ecdf_rows(self) -> list[list[object]]:
        rows: list[list[object]] = [["arm", "latency_ns", "share"]]
        for curve in self.curves:
            rows += [[curve.name, ns, share] for ns, share in zip(curve.ecdf_ns, curve.share, strict=True)]
        return rows

    def _wait_rows(self) -> list[list[object]]:
        rows: list[list[object]] = [["arm", "cause", "count", "total_ns", "max_ns", "per_swap_in_ns"]]
        for name, arm in zip(self.arms, (self.comparison.baseline, self.comparison.candidate), strict=True):
            for cause, wait in arm.waits.items():
                rows.append([name, cause, wait.count, wait.total_ns, wait.max_ns, wait.per_operation_ns])
        return rows

    def _forest_rows(self) -> list[list[object]]:
        rows: list[list[object]] = [
            ["metric", "baseline", "candidate", "ratio", "ci_low", "ci_high", "n", "p", "p_holm", "verdict", "reason"]
        ]
        for metric, ratio in zip(self.comparison.metrics.values(), self.ratios, strict=True):
            low, high = ratio.interval or (None, None)
            figures = [metric.baseline, metric.candidate, ratio.estimate, low, high, metric.n, metric.p, metric.p_holm]
            rows.append([metric.metric, *figures, metric.verdict, metric.reason])
        return rows

    def _pair_rows(self) -> list[list[object]]:
        rows: list[list[object]] = [["metric", "block", "ratio"]]
        for metric in self.comparison.metrics.values():
            pairs = zip(metric.blocks, metric.differences, strict=True)
            rows += [[metric.metric, block, 1 + difference] for block, difference in pairs]
        return rows


def _ratio(metric: MetricComparison) -> Ratio:
    return Ratio(
        label=wording.LABELS[metric.metric],
        estimate=None if metric.change is None else 1 + metric.change,
        interval=None if metric.ci is None else (1 + metric.ci[0], 1 + metric.ci[1]),
        ratios=[1 + difference for difference in metric.differences],
        blocks=metric.blocks,
        verdict=metric.verdict.replace("_", " "),
        words=f"{metric.verdict.replace('_', ' ')}, {wording.change_text(metric.change)}"
        if metric.change is not None
        else metric.verdict.replace("_", " "),
    )
