"""What `compare` shows of a comparison: JSON, tables, sentences, exit codes, and the report page."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.console import Console

from server.cli.compare_command import Compared, arm_names, exit_code, json_body
from server.cli.tables import show_arms, show_verdicts, show_violations, show_waits
from server.compare import RunFigures, compare_runs
from server.compare.report import render_report
from server.compare.wording import change_text, ns_text, rate_text
from tests.compare.synthetic_runs import run
from workers.outcome import Violation, Wait

LAW = Violation(law="C1", sentence="Used slots are counted.", detail="cluster 3 <script>alert(1)</script>", count=4)


def arm(protocol: str, factor: float = 1.0, **changes: Any) -> list[RunFigures]:
    """Eight runs; those of has_cache sleep a tick in one of 200 swap-ins."""
    runs = []
    for i in range(8):
        latencies = np.random.default_rng(i).lognormal(9, 0.3, 20_000) * (1 + i / 500)
        sleeps = 100 if protocol == "has_cache" else 0
        latencies[:sleeps] += 4e6
        waits = {"tick_sleep": Wait(count=sleeps, total_ns=sleeps * 4_000_000, max_ns=4_000_000)}
        runs.append(
            run(
                i,
                protocol=protocol,
                latencies_ns=latencies,
                throughput_ops_s=1e6 * factor * (1 + i / 300),
                tick_sleeps=sleeps,
                waits=waits,
                **changes,
            )
        )
    return runs


def compared(a: list[RunFigures], b: list[RunFigures], *, violated: bool = False) -> Compared:
    names = arm_names(str(a[0].config["protocol"]), str(b[0].config["protocol"]))
    return Compared(
        comparison_id=7,
        study_id=3,
        url="http://127.0.0.1:8000/api/v1/comparisons/7",
        baseline=names[0],
        candidate=names[1],
        spec={"cpus": 4},
        result=compare_runs(a, b),
        violations={names[0]: [], names[1]: [LAW] if violated else []},
    )


def text_of(found: Compared) -> str:
    console = Console(file=io.StringIO(), width=120, highlight=False, color_system=None)
    arms = {found.baseline: found.result.baseline, found.candidate: found.result.candidate}
    show_arms(console, arms)
    show_waits(console, {name: figures.waits for name, figures in arms.items()})
    show_verdicts(console, found.result, found.baseline, found.candidate)
    show_violations(console, found.violations)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_json_has_the_documented_shape() -> None:
    body = json.loads(json.dumps(json_body(compared(arm("has_cache"), arm("swap_cache", 1.3)))))
    assert body["comparison"] == 7
    assert set(body["arms"]) == {"has_cache", "swap_cache"}
    assert body["arms"]["has_cache"]["tick_sleeps"] == 800
    assert body["arms"]["swap_cache"]["tick_sleeps"] == 0
    for name in ("p50_ns", "p90_ns", "p99_ns", "p999_ns", "throughput_ops_s"):
        assert body["arms"]["swap_cache"][name] > 0
    metric = body["metrics"]["p999_ns"]
    assert metric["verdict"] == "improved"
    assert metric["ci"][0] <= metric["change"] <= metric["ci"][1] < 0
    assert metric["p"] < 0.01
    assert metric["n"] == 8
    assert body["violations"] == []
    assert body["spec"] == {"cpus": 4}


def test_the_second_arm_of_an_a_against_a_has_a_name_of_its_own() -> None:
    body = json_body(compared(arm("swap_cache"), arm("swap_cache")))
    assert set(body["arms"]) == {"swap_cache", "swap_cache.2"}
    assert {m["verdict"] for m in body["metrics"].values()} == {"equivalent"}


def test_exit_codes() -> None:
    better = compared(arm("has_cache"), arm("swap_cache", 1.3))
    worse = compared(arm("has_cache"), arm("swap_cache", 0.7))
    few = compared(arm("has_cache")[:3], arm("swap_cache")[:3])
    unlike = compared(arm("has_cache"), arm("swap_cache", environment={"kernel": "other"}))
    assert exit_code(better, fail_on_inconclusive=False) == 0
    assert exit_code(worse, fail_on_inconclusive=False) == 3
    assert exit_code(worse, fail_on_inconclusive=False, allow_regression=True) == 0
    assert exit_code(few, fail_on_inconclusive=False) == 0
    assert exit_code(few, fail_on_inconclusive=True) == 4
    assert exit_code(unlike, fail_on_inconclusive=True) == 1
    violated = compared(arm("has_cache"), arm("swap_cache"), violated=True)
    assert exit_code(violated, fail_on_inconclusive=False) == 3
    assert exit_code(violated, fail_on_inconclusive=False, allow_regression=True) == 3


def test_the_terminal_says_what_changed() -> None:
    text = text_of(compared(arm("has_cache"), arm("swap_cache", 1.3)))
    assert "throughput improved: swap_cache does 30.0 % more work (+30.0 %, 95 % CI" in text
    assert "p99.9 improved: swap_cache takes 1/" in text
    assert re.search(r"tick sleep +800 +3\.20 s +20\.0 us", text)
    assert "\x1b" not in text


def test_the_terminal_says_why_nothing_can_be_compared() -> None:
    broken = arm("unsynchronized")
    broken[0] = broken[0].model_copy(update={"valid": False, "invalid_reason": "law C1 violated"})
    text = text_of(compared(arm("swap_cache"), broken, violated=True))
    assert "cannot be compared: the candidate arm is invalid" in text
    assert "unsynchronized: law C1 violated 4 times: Used slots are counted." in text


class Page(HTMLParser):
    """Collects what a page refers to, its tables, its charts, and the files that it carries along."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.tables = 0
        self.charts: list[str] = []
        self.files: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "link", "img", "iframe"):
            self.references += [str(given[key]) for key in ("src", "href") if given.get(key)]
        self.tables += tag == "table"
        if re.fullmatch(r"chart-[a-z]+", given.get("id") or ""):
            self.charts.append(str(given["id"]))
        name, address = given.get("download"), given.get("href") or ""
        if name and address.startswith("data:"):
            self.files[name] = base64.b64decode(address.partition(",")[2]).decode()


@pytest.fixture(scope="module")
def page_text() -> str:
    a, b = arm("has_cache"), arm("swap_cache", 1.3)
    violations = {"has_cache": [LAW], "swap_cache": []}
    return render_report(compare_runs(a, b), {"has_cache": a, "swap_cache": b}, violations=violations, url="http://x/7")


def test_the_report_is_self_contained_and_has_a_table_behind_every_chart(page_text: str) -> None:
    page = Page()
    page.feed(page_text)
    assert page.references == []
    assert page.charts == ["chart-percentiles", "chart-waits", "chart-forest", "chart-pairs", "chart-ecdf"]
    assert page.tables >= 2 + len(page.charts) + 2
    assert set(page.files) == {
        f"{name.removeprefix('chart-')}.{kind}" for name in page.charts for kind in ("svg", "csv")
    }
    assert "prefers-color-scheme: dark" in page_text
    assert "@media print" in page_text


def test_the_report_draws_what_the_runs_hold(page_text: str) -> None:
    page = Page()
    page.feed(page_text)
    curves: dict[str, list[tuple[float, float]]] = {}
    for row in csv.DictReader(io.StringIO(page.files["percentiles.csv"])):
        curves.setdefault(row["arm"], []).append((float(row["percentile"]), float(row["latency_ns"])))
    assert list(curves) == ["has_cache", "swap_cache"]
    assert min(ns for q, ns in curves["has_cache"] if q > 1 - 1 / 300) > 4e6, "the slept tick is a shelf"
    assert max(ns for _, ns in curves["swap_cache"]) < 1e5
    assert 1 / (1 - max(q for q, _ in curves["has_cache"])) <= 8 * 20_000 / 100 * 1.001, "100 observations beyond"
    shares = [float(row["share"]) for row in csv.DictReader(io.StringIO(page.files["ecdf.csv"]))]
    assert max(shares) == pytest.approx(1.0)
    verdicts = {row["metric"]: row["verdict"] for row in csv.DictReader(io.StringIO(page.files["forest.csv"]))}
    assert verdicts["throughput_ops_s"] == "improved"
    assert "1/HZ = 4 ms" in page.files["percentiles.svg"]
    assert re.search(r"1 in [\d,]+ of has_cache takes a tick or more", page.files["percentiles.svg"])
    assert "of swap_cache takes a tick" not in page.files["percentiles.svg"]
    for name in ("percentiles", "waits", "forest", "pairs", "ecdf"):
        assert ElementTree.fromstring(page.files[f"{name}.svg"]).tag.endswith("svg")


def test_the_verdict_comes_before_the_first_chart_and_text_is_escaped(page_text: str) -> None:
    assert page_text.index("throughput improved") < page_text.index('id="chart-percentiles"')
    assert "<script>alert(1)" not in page_text
    assert "&lt;script&gt;alert(1)" in page_text


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_has_the_contrast_of_wcag_aa_in_light_and_dark(page_text: str) -> None:
    schemes = re.findall(r":root[^{]*\{([^}]*--paper[^}]*)\}", page_text)
    assert len(schemes) == 4, "light, dark by the system and by choice, print"
    for scheme in schemes:
        colours = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", scheme))
        for ink in ("ink", "soft", "baseline", "candidate", "good", "bad", "doubt"):
            for ground in ("paper", "panel"):
                light, dark = sorted((_luminance(colours[ink]), _luminance(colours[ground])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0, "0 ns"),
        (850, "850 ns"),
        (12_345, "12.3 us"),
        (999_900, "1.00 ms"),
        (4.02e6, "4.02 ms"),
        (1.5e9, "1.50 s"),
    ],
)
def test_times_have_three_digits(value: float | None, text: str) -> None:
    assert ns_text(value) == text


def test_rates_and_changes() -> None:
    assert [rate_text(v) for v in (789, 45_600, 1.234e6)] == ["789 /s", "45.6 k/s", "1.23 M/s"]
    assert [change_text(v) for v in (-0.004, 0.123, 3.2)] == ["-0.4 %", "+12.3 %", "4.2 x"]
