"""docs/protocols.md is made of its record, and every figure of it stands in that record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.protocol_page import page
from bench.protocols import BASELINE, HERTZ, METRICS, PAGE, RECORD, SOUND, WORKLOADS, study_file
from server.study.file import parse_study


def made_arm(protocol: str) -> dict[str, Any]:
    changes: dict[str, Any] = {name: {"change": -0.25, "ci": [-0.3, -0.2], "verdict": "improved"} for name in METRICS}
    changes["p999_ns"] = {"change": None, "ci": None, "verdict": "inconclusive"}
    return {
        "runs": 8,
        "state": "valid",
        "swap_ins": 2_000_000,
        "metrics": {**dict.fromkeys(METRICS, 5_000.0), "p999_ns": None},
        "tick_sleeps": 84,
        "folio_waits": 26,
        "folio_wait_ns": 26_000,
        "changes": {} if protocol == BASELINE else changes,
    }


def made_record() -> dict[str, Any]:
    return {
        "asked": {"trials": 8, "seconds": 1.0, "cpus": 2, "baseline": BASELINE, "trace": "cc1"},
        "circumstances": {"cpu_model": "a model", "kernel": "6.1", "load": 0.25},
        "cells": [
            {
                "scenario": scenario,
                "hz": hz,
                "plot": f"protocols/{scenario}-{hz}.svg",
                "arms": {protocol: made_arm(protocol) for protocol in SOUND},
            }
            for scenario in WORKLOADS
            for hz in HERTZ
        ],
    }


def test_the_study_is_one_that_the_service_takes() -> None:
    plan, arms = parse_study(study_file(8, 1.0, 2), "protocols.toml", default_name="protocols")
    assert plan.repeats == 8
    cells = {(arm.spec.scenario, arm.spec.hz) for arm in arms}
    assert cells == {(scenario, hz) for scenario in WORKLOADS for hz in HERTZ}
    assert len(arms) == len(cells) * len(SOUND)
    assert all(arm.spec.trace == "cc1" for arm in arms if arm.spec.scenario == "trace")


def test_a_page_has_every_cell_and_every_protocol() -> None:
    text = page(made_record())
    assert text.count("| `swap_table_count` | 7.1 |") == len(WORKLOADS) * len(HERTZ)
    assert "5 us<br>-25 % [-30, -20], better" in text.replace("5.00 us", "5 us")
    assert "42 times in a million swap-ins at 250 Hz" in " ".join(text.split())
    told = " ".join(text.split())
    assert "36 were given: 36 better." in told, "where nothing could be tested, no verdict is given"
    assert "over the 4 metrics" in told
    assert "python -m bench.protocols --trials 8 --seconds 1 --cpus 2" in told
    assert "5.00 us against 5.00 us (-25 %)" in told
    assert "load 0.2" in text
    assert "{" not in text
    assert text.count("](protocols/") == len(WORKLOADS) * len(HERTZ)


def test_the_page_of_this_checkout_is_made_of_its_record(checkout: Path) -> None:
    docs = checkout / "docs"
    if not (docs / RECORD).exists():
        pytest.skip("not measured yet: python -m bench.protocols")
    record = json.loads((docs / RECORD).read_text(encoding="utf-8"))
    assert (docs / PAGE).read_text(encoding="utf-8") == page(record)
    assert all((docs / cell["plot"]).is_file() for cell in record["cells"])
