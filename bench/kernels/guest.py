"""A guest: one kernel, one static program as its init, and what that prints on the console."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.kernels.packages import Kernel, modules, vmlinuz

QEMU = "qemu-system-x86_64"
OLDEST_QEMU = 10
SOURCES = Path(__file__).parent / "guest"
# Interrupts the guest's kernel wherever it may be interrupted; no zswap before the device.
COMMAND_LINE = "console=ttyS0 quiet panic=1 rdinit=/init preempt=full zswap.enabled=0"
MEMORY_MIB = 768
TOLD = ("kernel:", "row:", "note:", "failed:", "ended:")


class GuestError(Exception):
    """A guest that could not be built, or did not come to its end."""


def require_commands() -> None:
    """Raises GuestError with the Debian package of the first command that is missing."""
    needed = {
        QEMU: "qemu-system-x86",
        "gcc": "build-essential",
        "cpio": "cpio",
        "modinfo": "kmod",
        "zstd": "zstd",
        "dpkg-deb": "dpkg",
    }
    for command, package in needed.items():
        if shutil.which(command) is None:
            raise GuestError(f"{command} is missing; install it: apt-get install {package}")
    told = subprocess.run([QEMU, "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"version (\d+)", told)
    if found is None or int(found[1]) < OLDEST_QEMU:
        raise GuestError(
            f"{told.splitlines()[0]}: {OLDEST_QEMU} or newer is needed, QEMU 7.2 corrupts the flags of its guests; "
            "on Debian 12: apt-get install -t bookworm-backports qemu-system-x86"
        )


def built_init(folder: Path) -> Path:
    """The guest's init, compiled into `folder`."""
    init = folder / "init"
    sources = sorted(str(path) for path in SOURCES.glob("*.c"))
    flags = ["-O2", "-std=c11", "-Wall", "-Wextra", "-Werror", "-static", "-pthread"]
    done = subprocess.run(["gcc", *flags, "-o", str(init), *sources], capture_output=True, text=True)
    if done.returncode:
        raise GuestError(f"gcc: {done.stderr.strip()}")
    return init


def initramfs(init: Path, root: Path, folder: Path) -> Path:
    """A cpio archive with the init and the kernel's modules."""
    tree = folder / "initramfs"
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "modules").mkdir(parents=True)
    shutil.copy2(init, tree / "init")
    for order, (name, contents) in enumerate(modules(root)):
        (tree / "modules" / f"{order:02}-{name}.ko").write_bytes(contents)
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    archive = folder / "initramfs.cpio"
    with archive.open("wb") as file:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], input=names.encode(), stdout=file, cwd=tree, check=True)
    return archive


def play(kernel: Kernel, program: Sequence[str], cache: Path, folder: Path, timeout: float) -> list[str]:
    """Boots `kernel`, runs `program` there, and returns what it told. Raises GuestError where it did not end well.

    The console stands in console.txt of `folder`, whatever happens. A guest that takes longer than `timeout` seconds is
    ended.
    """
    root = kernel.unpacked(cache)
    archive = initramfs(built_init(folder), root, folder)
    command = [QEMU, "-accel", "tcg", "-cpu", "qemu64", "-smp", "1"]
    command += ["-m", str(MEMORY_MIB), "-nographic", "-no-reboot", "-nodefaults", "-serial", "stdio"]
    command += ["-kernel", str(vmlinuz(root)), "-initrd", str(archive)]
    command += ["-append", f"{COMMAND_LINE} -- {' '.join(program)}"]
    console = folder / "console.txt"
    with console.open("wb") as file:
        try:
            subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired:
            raise GuestError(f"{kernel.version}: no end within {timeout:.0f} s; its console: {console}") from None
    lines = [line.strip() for line in console.read_text(errors="replace").splitlines()]
    told = [line for line in lines if line.startswith(TOLD)]
    if not told or told[-1] != "ended: 0":
        raise GuestError(f"{kernel.version}: {told[-1] if told else 'told nothing'}; its console: {console}")
    return told[:-1]
