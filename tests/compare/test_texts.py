"""A comparison as mail, Markdown and CSV: what stands in them, and that a mail is never wider than a mail."""

from __future__ import annotations

import csv
import io
import shlex
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from server.compare import Comparison, RunFigures, compare_runs
from server.compare.models import HIGHER_IS_BETTER, Verdict
from server.compare.texts import CSV_COLUMNS, MAIL_COLUMNS, Told, csv_text, mail_block, markdown
from tests.compare.synthetic_runs import ENVIRONMENT, run

COMMAND = "swaprace compare has_cache swap_cache --scenario fork_fault --cpus 4 --device disk --trials 10 --seed 1"
TOLD = Told(
    baseline="has_cache",
    candidate="swap_cache",
    workload="fork_fault, 4 CPUs, HZ=250, disk (read 80 us, write 5 us), memcg v2, sequential access, 1 s a run",
    host="lab3, 6.18.0-rc5, AMD EPYC 9654 96-Core Processor, 96 cores, governor performance, swaprace 0123456789ab",
    laws="21 checked, all held in 20 runs",
    command=COMMAND,
)
ratios = st.floats(min_value=-0.999999, max_value=1e5, allow_nan=False)
values = st.floats(min_value=1, max_value=1e11, allow_nan=False)


def arm(protocol: str, *, scale: float, **changes: Any) -> list[RunFigures]:
    """Ten runs whose latencies are `scale` times as long, and a little more from run to run."""
    return [
        run(
            index,
            protocol=protocol,
            latencies_ns=np.linspace(5_000, 20_000, 20_000) * scale * (1 + index / 100),
            throughput_ops_s=1e6 / scale / (1 + index / 100),
            **changes,
        )
        for index in range(10)
    ]


PLAIN = compare_runs(arm("has_cache", scale=3.0), arm("swap_cache", scale=1.0))


@pytest.fixture
def comparison() -> Comparison:
    """Ten pairs, the candidate about three times as fast."""
    return PLAIN.model_copy(deep=True)


def test_a_mail_says_what_was_run_and_what_came_out(comparison: Comparison) -> None:
    text = mail_block(comparison, TOLD)
    lines = text.splitlines()
    assert lines[0] == "swap_cache against has_cache, swap-in latency and throughput, 10 pairs"
    assert "workload: fork_fault" in text
    assert "laws:     21 checked, all held in 20 runs" in text
    for metric in comparison.metrics.values():
        label = {"throughput_ops_s": "ops/s", "p999_ns": "p99.9"}.get(metric.metric, metric.metric.removesuffix("_ns"))
        (row,) = [line for line in lines if line.split()[:1] == [label]]
        assert row.split()[-1] == metric.verdict
        assert f" {metric.n} " in row
    command = text.split("reproduce:\n")[1].replace("\\\n", " ")
    assert shlex.split(command) == shlex.split(COMMAND)


@settings(max_examples=40, deadline=None, database=None, phases=(Phase.explicit, Phase.generate))
@given(st.data())
def test_a_mail_is_72_columns_wide_whatever_the_figures(data: st.DataObject) -> None:
    body: dict[str, Any] = PLAIN.model_dump()
    for name in body["metrics"]:
        low, high = sorted((data.draw(ratios), data.draw(ratios)))
        body["metrics"][name] |= {
            "verdict": data.draw(st.sampled_from(sorted(set(get_args(Verdict)) - {"not_comparable"}))),
            "baseline": data.draw(values),
            "candidate": data.draw(values),
            "baseline_spread": data.draw(st.floats(0, 50)),
            "change": data.draw(ratios),
            "ci": (low, high),
            "n": data.draw(st.integers(1, 1000)),
        }
    text = mail_block(Comparison.model_validate(body), TOLD)
    assert max(map(len, text.splitlines())) <= MAIL_COLUMNS, text


def test_runs_that_are_unlike_are_not_compared(comparison: Comparison) -> None:
    unlike = compare_runs(
        arm("has_cache", scale=3.0), arm("swap_cache", scale=1.0, environment={**ENVIRONMENT, "kernel": "7.0"})
    )
    assert not unlike.comparable
    for text in (mail_block(unlike, TOLD), markdown(unlike, TOLD)):
        assert "kernel" in text.replace("\\", "")
        assert "improved" not in text
    assert max(map(len, mail_block(unlike, TOLD).splitlines())) <= MAIL_COLUMNS


def test_a_table_in_markdown(comparison: Comparison) -> None:
    text = markdown(comparison, TOLD)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(comparison.metrics)
    assert {row.replace("\\|", "").count("|") for row in rows} == {9}
    assert "has\\_cache" in rows[0]
    assert f"```\n{COMMAND}\n```" in text


def test_csv_is_exact(comparison: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text(comparison))))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [row["metric"] for row in rows] == list(comparison.metrics)
    for row in rows:
        metric = comparison.metrics[row["metric"]]
        assert metric.metric in HIGHER_IS_BETTER
        assert (float(row["change"]), int(row["n"])) == (metric.change, metric.n)
        assert metric.ci == (float(row["ci_low"]), float(row["ci_high"]))
        assert metric.baseline_spread is not None
        assert float(row["baseline_spread"]) == metric.baseline_spread > 0
