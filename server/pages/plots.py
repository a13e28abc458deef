"""The plots of a run's page: each drawn inline, as an SVG file, and as the CSV of its figures."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from server.charts.bars import Group, draw_bars
from server.charts.latency import Curve, draw_percentiles
from server.charts.series import Line, draw_lines, draw_strip
from server.charts.svg import NARROW, WIDE, Drawing, Form
from server.charts.words import ns_text as ns_mark
from server.charts.words import rate_text as rate_mark
from server.compare.curves import TABLE_QUANTILES, ecdf, percentile_curve
from server.compare.models import MIN_BEYOND_SHOWN
from server.compare.quantiles import SWAP_IN, enough_beyond, quantile_ns
from server.compare.wording import cause_text, ns_text, rate_text
from server.pages.progress import Moment, moments
from server.schemas import Run
from server.store import Store
from workers.outcome import WAIT_CAUSES, Histogram

STRIP_SAMPLES = 60
HALF = Form("wide", 600, 330, 13, False)  # a column of a page: shown where the wide form is


@dataclass(frozen=True)
class Plot:
    """A plot and the table behind it: `head` and `rows` hold figures, `told` the same rows as people read them.

    `zoom` says that it can be zoomed into, by the letters of the axes that are logarithmic then; None: it cannot.
    """

    name: str
    title: str
    draw: Callable[[Form], Drawing]
    head: Sequence[str]
    rows: Sequence[Sequence[object]]
    told: Sequence[Sequence[str]]
    zoom: str | None = None

    @property
    def inline(self) -> Markup:
        """The drawing for a page: wide, and for a phone's width."""
        return Markup(self.draw(WIDE).inline() + self.draw(NARROW).inline())

    @property
    def half(self) -> Markup:
        """The drawing for one of two columns, and for a phone's width."""
        return Markup(self.draw(HALF).inline() + self.draw(NARROW).inline())

    def file(self, style: str) -> str:
        """The drawing as an SVG file with its style inside."""
        return self.draw(WIDE).standalone(style)

    def csv(self) -> str:
        """The figures as CSV."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.head)
        writer.writerows(["" if value is None else value for value in row] for row in self.rows)
        return text.getvalue()


def of_run(run: Run, store: Store, name: str, most_samples: int) -> Plot | None:
    """The plot of that name; None where the run has none. The tables of plots over time hold every sample."""
    if name in ("latency", "waits"):
        histograms = store.histograms_of(run.id)
        return latency(run, histograms) if name == "latency" else waits(run, histograms)
    told = moments(store.recent_samples(run.id, most_samples))
    if name == "cpus":
        return cpu_strip(told) if told else None
    return next((plot for plot in over_time(told) if plot.name == name), None)


def latency(run: Run, histograms: Mapping[str, Histogram]) -> Plot | None:
    """Latency of a swap-in by percentile; None without enough swap-ins to draw one."""
    histogram = histograms.get(SWAP_IN)
    if histogram is None or not histogram.total:
        return None
    percentiles, cumulative = percentile_curve([histogram]), ecdf([histogram])
    sleeps = (run.metrics or {}).get("tick_sleeps")
    curve = Curve(
        run.protocol,
        **percentiles.model_dump(),
        ecdf_ns=cumulative.latency_ns,
        share=cumulative.share,
        tick_sleeps=None if sleeps is None else int(sleeps),
    )
    hz = run.spec.hz if run.executor == "processes" else None
    values = [(q, quantile_ns(histogram, q)) for q in TABLE_QUANTILES]
    shown = [(q, ns) for q, ns in values if enough_beyond(histogram.total, q, MIN_BEYOND_SHOWN)]
    if len(percentiles.tail) < 2:
        return None
    return Plot(
        "latency",
        "Latency of a swap-in by percentile",
        lambda form: draw_percentiles([curve], hz, form),
        ("percentile", "latency_ns"),
        [(f"{q * 100:.6g}", ns) for q, ns in shown],
        [(f"{q * 100:.6g} %", ns_text(ns)) for q, ns in shown],
    )


def waits(run: Run, histograms: Mapping[str, Histogram]) -> Plot | None:
    """Time that a swap-in waits, by cause; None where nothing waited."""
    swap_ins = histograms[SWAP_IN].total if SWAP_IN in histograms else 0
    waited = {cause: wait for cause, wait in (run.waits or {}).items() if wait.count}
    if not swap_ins or not waited:
        return None
    order = sorted(waited, key=lambda cause: -waited[cause].total_ns)
    groups = [Group(cause_text(cause), [waited[cause].total_ns / swap_ins]) for cause in order]
    return Plot(
        "waits",
        "Where a swap-in waits",
        lambda form: draw_bars(groups, [run.protocol], "Waits of a swap-in by cause", form),
        ("cause", "count", "total_ns", "max_ns", "ns_a_swap_in"),
        [
            (c, waited[c].count, waited[c].total_ns, waited[c].max_ns, round(waited[c].total_ns / swap_ins, 1))
            for c in order
        ],
        [
            (
                cause_text(cause),
                f"{waited[cause].count:,}",
                ns_text(waited[cause].total_ns),
                ns_text(waited[cause].max_ns),
                ns_text(waited[cause].total_ns / swap_ins),
            )
            for cause in order
        ],
    )


def over_time(told: Sequence[Moment]) -> list[Plot]:
    """Throughput and latency by the second; those that the samples tell of."""
    found = []
    throughput = [(each.seconds, each.throughput_ops_s) for each in told]
    if any(rate is not None for _, rate in throughput):
        found.append(_throughput(throughput))
    if any(each.p50_ns is not None for each in told):
        found.append(_latencies(told))
    return found


def _throughput(points: Sequence[tuple[float, float | None]]) -> Plot:
    return Plot(
        "throughput",
        "Throughput",
        lambda form: draw_lines([Line("all CPUs", points, 1)], "Throughput over time", rate_mark, form),
        ("seconds", "throughput_ops_s"),
        [(round(t, 3), None if rate is None else round(rate, 1)) for t, rate in points],
        [(f"{t:.1f} s", rate_text(rate)) for t, rate in points],
        zoom="",
    )


def _latencies(told: Sequence[Moment]) -> Plot:
    lines = [
        Line("p99", [(each.seconds, each.p99_ns) for each in told], 0),
        Line("p50", [(each.seconds, each.p50_ns) for each in told], 1),
    ]
    return Plot(
        "latencies",
        "Latency of a swap-in",
        lambda form: draw_lines(lines, "Latency of the swap-ins of each second", ns_mark, form, log=True),
        ("seconds", "p50_ns", "p99_ns"),
        [(round(each.seconds, 3), each.p50_ns, each.p99_ns) for each in told],
        [(f"{each.seconds:.1f} s", ns_text(each.p50_ns), ns_text(each.p99_ns)) for each in told],
        zoom="y",
    )


def cpu_strip(told: Sequence[Moment]) -> Plot | None:
    """What each CPU did in the last minute; None where the samples do not tell of CPUs."""
    recent = [each for each in told if each.cpu_rates][-STRIP_SAMPLES:]
    if not recent:
        return None
    cpus = range(len(recent[-1].cpu_rates))
    rows = [[each.cpu_rates[cpu] for each in recent if cpu < len(each.cpu_rates)] for cpu in cpus]
    seconds = [each.seconds for each in recent]
    return Plot(
        "cpus",
        "Operations of each CPU",
        lambda form: draw_strip(rows, seconds, _strip_title(rows), form),
        ("seconds", *(f"cpu{cpu}_ops_s" for cpu in cpus)),
        [(round(each.seconds, 3), *(round(rate, 1) for rate in each.cpu_rates)) for each in recent],
        [(f"{each.seconds:.1f} s", *(rate_text(rate) for rate in each.cpu_rates)) for each in recent],
        zoom="",
    )


def _strip_title(rows: Sequence[Sequence[float]]) -> str:
    latest = ", ".join(f"CPU {cpu} {rate_text(row[-1])}" for cpu, row in enumerate(rows) if row)
    return f"Operations of each CPU by the second; now {latest}"


def causes_in_order(waits: Mapping[str, object]) -> list[str]:
    """Causes of waiting in the order of the catalogue, then those it does not name."""
    return [*(cause for cause in WAIT_CAUSES if cause in waits), *sorted(set(waits).difference(WAIT_CAUSES))]
