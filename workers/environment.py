"""The circumstances of a run: numbers carry them, and comparisons refuse unlike ones.

Everything is read, nothing assumed: a value that this machine does not tell is None.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

GIT_SECONDS = 5.0  # a status of the checkout, with cold caches


def collect(protocol: str) -> dict[str, Any]:
    """What the host, the kernel, the clock and the build are right now. To be asked before the workers start: the load
    average is meant to be that of the others. `protocol`: of the run; one outside the tree is named by its contents.
    """
    flags, model = _cpu_info()
    return {
        **_revision(Path(__file__).resolve().parent.parent),
        "build": _build(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpu_model": model,
        "cores": os.cpu_count(),
        "cores_usable": len(os.sched_getaffinity(0)),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "clock_source": _read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        # Both: the counter ticks at one rate whatever the frequency, and goes on in deep idle states.
        "tsc_invariant": {"constant_tsc", "nonstop_tsc"} <= flags if flags else None,
        "load_average": list(os.getloadavg()),
        "python": platform.python_version(),
        "host": platform.node(),
        "protocol_sha256": _file_sha256(protocol),
    }


def _revision(checkout: Path) -> dict[str, str | bool | None]:
    sha = _git(checkout, "rev-parse", "HEAD")
    if not sha:
        return {"git_sha": None, "git_dirty": None}
    changes = _git(checkout, "status", "--porcelain")
    return {"git_sha": sha, "git_dirty": None if changes is None else bool(changes)}


def _git(checkout: Path, *arguments: str) -> str | None:
    """What git prints, stripped; None without git, without a checkout or commit, or without an answer in time."""
    command = ["git", "-C", str(checkout), "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _file_sha256(protocol: str) -> str | None:
    """Of the file of a protocol outside the tree; those within are named by git_sha."""
    path, colon, _ = protocol.rpartition(":")
    return hashlib.sha256(Path(path).read_bytes()).hexdigest() if colon else None


def _build() -> Any:
    try:
        layout = importlib.import_module("shm.layout")
    except ImportError:
        return None  # the core is not built
    return layout.build_info() if hasattr(layout, "build_info") else None


def _cpu_info() -> tuple[set[str], str | None]:
    """Flags and model name of the first CPU in /proc/cpuinfo; empty and None on machines that name them otherwise."""
    text = _read("/proc/cpuinfo") or ""
    first = dict(line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    fields = {name.strip(): value.strip() for name, value in first.items()}
    return set(fields.get("flags", "").split()), fields.get("model name")


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None
