"""What the benchmarks stand on is there: they build, measure, and can be asked what they do. No time is judged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SECONDS = 240


def ran(checkout: Path, *arguments: str, **environment: str) -> str:
    """Standard output of a command of this interpreter in the checkout, which must succeed without a warning."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=checkout,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[-2000:]
    return done.stdout


@pytest.mark.timeout(SECONDS)
def test_the_core_is_measured_against_its_floor(checkout: Path) -> None:
    ran(checkout, "setup.py", "--quiet", "build_ext", "--inplace", SWAPRACE_FOLDERS="bench")
    rows = json.loads(ran(checkout, "-m", "bench", "--only", "cycle", "--pairs", "1", "--json"))["rows"]
    assert rows
    assert all(row["reference"] > 0 and row["candidate"] > 0 for row in rows)


@pytest.mark.parametrize("module", ["explore", "protocols", "virtual_time", "database", "lists", "first_operation"])
def test_each_says_what_it_measures(checkout: Path, module: str) -> None:
    assert "usage: " in ran(checkout, "-m", f"bench.{module}", "--help")
