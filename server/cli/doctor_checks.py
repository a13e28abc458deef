"""What `swaprace doctor` looks at: each check is a function that reads the machine and changes nothing."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shm.segment import SHM_DIRECTORY, entries, start_time

CHECKOUT = Path(__file__).resolve().parents[2]
LEAST_SHM_BYTES = 64 << 20  # a default run takes a few MiB; a trace with room to spare takes this
LEAST_FILES = 256  # a dispatcher, its pipes, and what a server holds open
EXTENSION_SUFFIX = importlib.machinery.EXTENSION_SUFFIXES[0]
CIMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+cimport|cimport\s+([\w.]+))", re.MULTILINE)

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Check:
    """One finding. `advice` says what would be right, None when nothing is to be done."""

    name: str
    state: State
    value: str
    advice: str | None = None


def compiled_sources(root: Path = CHECKOUT) -> list[Path]:
    """The .pyx files of the core."""
    return sorted(path for package in ("shm", "workers") for path in (root / package).rglob("*.pyx"))


def _built(source: Path) -> Path:
    return source.with_name(source.stem + EXTENSION_SUFFIX)


def _module(source: Path, root: Path) -> str:
    return ".".join(source.relative_to(root).with_suffix("").parts)


def missing_modules(root: Path = CHECKOUT) -> list[str]:
    """Modules of the core that are not built for this Python."""
    return [_module(source, root) for source in compiled_sources(root) if not _built(source).exists()]


def stale_modules(root: Path = CHECKOUT) -> list[str]:
    """Modules that are older than their source, or than a header that they cimport directly or by way of others."""
    return [
        _module(source, root)
        for source in compiled_sources(root)
        if _built(source).exists()
        and _built(source).stat().st_mtime < max(path.stat().st_mtime for path in _inputs(source, root))
    ]


def _inputs(source: Path, root: Path) -> set[Path]:
    """A source, its own header, and the headers that they cimport."""
    found: set[Path] = set()
    left = [source, source.with_suffix(".pxd")]
    while left:
        path = left.pop()
        if path in found or not path.exists():
            continue
        found.add(path)
        for names in CIMPORT.findall(path.read_text(encoding="utf-8")):
            name = names[0] or names[1]
            left.append(root.joinpath(*name.split(".")).with_suffix(".pxd"))
    return found


def check_python() -> Check:
    """Which Python this is; an older one than the project supports does not get here."""
    return Check("python", "ok", f"{platform.python_version()} ({sys.executable})")


def check_core(root: Path = CHECKOUT) -> Check:
    """The compiled core is there and newer than its sources."""
    sources, missing, stale = compiled_sources(root), missing_modules(root), stale_modules(root)
    if missing:
        return Check("core", "fail", f"{len(missing)} of {len(sources)} modules not built: {missing[0]}", "make setup")
    if stale:
        return Check("core", "warn", f"{len(stale)} of {len(sources)} modules stale: {stale[0]}", "make setup")
    return Check("core", "ok", f"{len(sources)} modules built and up to date")


def check_shared_memory() -> Check:
    """Size and free bytes of /dev/shm."""
    try:
        found = os.statvfs(SHM_DIRECTORY)
    except OSError as error:
        return Check("shared memory", "fail", f"{SHM_DIRECTORY}: {error.strerror}", f"mount a tmpfs at {SHM_DIRECTORY}")
    size, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
    value = f"{free / 2**20:,.0f} MiB free of {size / 2**20:,.0f} MiB in {SHM_DIRECTORY}"
    if free < LEAST_SHM_BYTES:
        return Check("shared memory", "warn", value, "free some, or: mount -o remount,size=1G /dev/shm")
    return Check("shared memory", "ok", value)


def orphans() -> list[str]:
    """Names in shared memory that are ours and whose owner is gone."""
    found = []
    for entry in entries():
        pid, start = entry.removeprefix("sem.").split("-")[1:3]
        if start_time(int(pid)) != int(start):
            found.append(entry)
    return found


def check_orphans() -> Check:
    """Segments and semaphores that nobody owns any more."""
    found = orphans()
    if found:
        return Check("orphans", "warn", f"{len(found)} of dead runs, such as {found[0]}", "swaprace doctor --sweep")
    return Check("orphans", "ok", "none")


def check_cores() -> Check:
    """Cores of the machine and those that this process may use."""
    usable, cores = len(os.sched_getaffinity(0)), os.cpu_count() or 1
    value = f"{usable} usable of {cores}, load {os.getloadavg()[0]:.2f}"
    if usable < 2:
        return Check("cores", "warn", value, "with one core, CPUs take turns: races are rare and tails are the host's")
    return Check("cores", "ok", value)


def check_limits() -> Check:
    """Limits of this process on files and processes."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    processes = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    memory = resource.getrlimit(resource.RLIMIT_AS)[0]
    value = f"{_limit(files)} files, {_limit(processes)} processes, {_limit(memory)} bytes"
    if files != resource.RLIM_INFINITY and files < LEAST_FILES:
        return Check("limits", "warn", value, f"ulimit -n {LEAST_FILES} or more")
    return Check("limits", "ok", value)


def _limit(value: int) -> str:
    return "unlimited" if value == resource.RLIM_INFINITY else f"{value:,}"


def check_clock() -> Check:
    """The kernel's clock source, and whether the time stamp counter is constant and runs in idle states."""
    source = _read("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    flags = set((_read("/proc/cpuinfo") or "").partition("\nflags")[2].partition("\n")[0].split())
    steady = {"constant_tsc", "nonstop_tsc"} <= flags
    value = f"{source or 'unknown'}; TSC {'constant and nonstop' if steady else 'not known to be steady'}"
    if source not in ("tsc", "kvm-clock", "arch_sys_counter"):
        return Check("clock", "warn", value, "reading this clock is a system call: latencies carry its cost")
    return Check("clock", "ok", value)


def check_governor() -> Check:
    """The frequency governor of the first CPU."""
    governor = _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if governor in (None, "performance"):
        return Check("governor", "ok", governor or "none to set (a virtual machine, or a fixed frequency)")
    return Check("governor", "warn", str(governor), "cpupower frequency-set -g performance, for steadier figures")


def check_compiler() -> Check:
    """A C compiler, which `make setup` needs."""
    found = next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), None)
    if found is None:
        return Check("compiler", "warn", "none", "apt-get install gcc libc6-dev python3-dev, to build the core")
    return Check("compiler", "ok", _first_line([found, "--version"]))


def check_valgrind() -> Check:
    """valgrind, which `swaprace record` needs."""
    found = shutil.which("valgrind")
    if found is None:
        return Check("valgrind", "warn", "none", "apt-get install valgrind, for swaprace record")
    return Check("valgrind", "ok", _first_line([found, "--version"]))


def check_locust() -> Check:
    """Locust, which `swaprace load` needs."""
    if importlib.util.find_spec("locust") is None:
        return Check("locust", "warn", "none", "pip install 'swaprace[load]', for swaprace load")
    return Check("locust", "ok", "installed")


def check_zram() -> Check:
    """zram of the host's kernel; the emulated devices do not need it."""
    devices = sorted(path.name for path in Path("/sys/block").glob("zram*")) if Path("/sys/block").exists() else []
    if devices:
        return Check("zram", "ok", f"host has {', '.join(devices)}")
    control = Path("/sys/class/zram-control").exists()
    return Check("zram", "ok", "host can make one" if control else "host has none; the emulated device needs none")


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return f"{command[0]} does not answer: {error}"
    return (done.stdout.splitlines() or [command[0]])[0]


CHECKS: tuple[Callable[[], Check], ...] = (
    check_python,
    check_core,
    check_shared_memory,
    check_orphans,
    check_cores,
    check_limits,
    check_clock,
    check_governor,
    check_compiler,
    check_valgrind,
    check_locust,
    check_zram,
)
