"""The core under ThreadSanitizer: the check for memory ordering, which x86 hides and no schedule of ours explores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

RACE = Path(__file__).with_name("race_core.py")
ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = (
    *("swap_ins", "pswpout", "cow", "forks", "exits", "swapoffs", "pageouts", "dontneeds", "charge_failed"),
    *("munmaps", "mmaps"),
)
pytestmark = pytest.mark.tsan


def libtsan() -> str:
    path = subprocess.run(["gcc", "-print-file-name=libtsan.so"], capture_output=True, text=True, check=True).stdout
    return path.strip()


def race(variant: str, protocol: str, device: str, lock: str, seconds: float) -> tuple[dict, str]:
    """What the operations counted, and what the sanitizer reported."""
    build = ROOT / "build" / variant
    assert build.is_dir(), f"{build} is not there: `make tsan` builds it"
    done = subprocess.run(
        ["setarch", "-R", sys.executable, str(RACE), protocol, device, lock, str(seconds)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=build,
        env=os.environ
        | {
            "LD_PRELOAD": libtsan(),
            "PYTHONPATH": str(build),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TSAN_OPTIONS": "exitcode=0 history_size=4",
        },
    )
    assert done.stdout.strip(), done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.mark.parametrize(
    ("protocol", "device", "lock"),
    [
        ("swap_cache", "zram", "word"),
        ("swap_cache", "disk", "word"),
        ("has_cache", "zram", "word"),
        ("has_cache", "disk", "word"),
        ("swap_cache", "zram", "sem"),
    ],
)
def test_no_report(protocol: str, device: str, lock: str) -> None:
    told, reports = race("tsan", protocol, device, lock, 8.0)
    assert "WARNING: ThreadSanitizer" not in reports, reports[:6000]
    assert told["violations"] == []
    missing = [name for name in OPERATIONS if told["events"][name] == 0]
    assert not missing, f"operations that never ran: {missing}"


def test_a_plain_table_store_is_reported() -> None:
    _, reports = race("tsan-SWAPRACE_PLAIN_TABLE=1", "swap_cache", "zram", "word", 8.0)
    assert "WARNING: ThreadSanitizer: data race" in reports
