"""Real kernels: what can be said of them without a boot. `python -m bench.kernels` boots them (docs/kernels.md)."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.kernels import __main__ as command
from bench.kernels import guest
from bench.kernels.guest import GuestError, built_init, require_commands
from bench.kernels.packages import KERNELS, Package, PackageError, decompressed
from workers.catalogue import PROTOCOLS


def package(folder: Path, contents: bytes = b"a package") -> Package:
    (folder / "linux.deb").write_bytes(contents)
    return Package(f"file://{folder}/linux.deb", hashlib.sha256(b"a package").hexdigest())


def test_a_package_is_fetched_once(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    wanted = package(tmp_path)
    assert wanted.fetched(cache).read_bytes() == b"a package"
    (tmp_path / "linux.deb").unlink()
    assert wanted.fetched(cache) == cache / "linux.deb"


def test_another_package_is_refused(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    with pytest.raises(PackageError, match=r"linux\.deb: SHA-256 is \w{64}, expected \w{64}; remove the file"):
        package(tmp_path, b"another one").fetched(cache)


def test_a_package_that_is_gone_leaves_nothing(tmp_path: Path) -> None:
    gone = Package(f"file://{tmp_path}/gone.deb", "")
    with pytest.raises(
        PackageError, match=r"gone\.deb: .*; distributions drop old kernels: put the file .*snapshot\.debian\.org"
    ):
        gone.fetched(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_module_is_taken_as_it_is_where_nothing_compressed_it(tmp_path: Path) -> None:
    (tmp_path / "zram.ko").write_bytes(b"\x7fELF")
    assert decompressed(tmp_path / "zram.ko") == b"\x7fELF"


def test_the_guests_program_compiles_without_a_warning(tmp_path: Path) -> None:
    init = built_init(tmp_path)
    assert init.read_bytes()[:4] == b"\x7fELF"
    told = subprocess.run(["ldd", str(init)], capture_output=True, text=True)
    assert "not a dynamic executable" in told.stdout + told.stderr


def test_every_program_of_the_guest_can_be_asked_for() -> None:
    table = (guest.SOURCES / "init.c").read_text().split("PROGRAMS[] = ", 1)[1].split(";", 1)[0]
    assert sorted(command.PROGRAMS) == re.findall(r'"(\w+)"', table)


def test_a_missing_command_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(GuestError, match="qemu-system-x86_64 is missing; install it: apt-get install qemu-system-x86"):
        require_commands()


def test_an_old_qemu_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("gcc", "cpio", "modinfo", "zstd", "dpkg-deb"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    qemu = tmp_path / "qemu-system-x86_64"
    qemu.write_text("#!/bin/sh\necho 'QEMU emulator version 7.2.22 (Debian 1:7.2)'\n")
    qemu.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GuestError, match=r"7\.2\.22.*: 10 or newer is needed.*bookworm-backports"):
        require_commands()


def test_an_unknown_kernel_is_told_which_there_are() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "bench.kernels", "losers", "--kernel", "2.4"], capture_output=True, text=True
    )
    assert told.returncode == 2
    assert "invalid choice: '2.4' (choose from '6.1.176', " in told.stderr


def test_kernels_are_of_protocols_that_there_are() -> None:
    assert {kernel.protocol for kernel in KERNELS.values()} - {""} <= set(PROTOCOLS)
    for kernel in KERNELS.values():
        assert all(re.fullmatch(r"[0-9a-f]{64}", each.sha256) for each in kernel.packages)
        assert all(each.url.endswith("_amd64.deb") for each in kernel.packages)


def test_the_document_names_every_kernel_and_every_program(checkout: Path) -> None:
    text = (checkout / "docs" / "kernels.md").read_text()
    assert {version for version in KERNELS if f"| {version} |" not in text} == set()
    assert {name for name in command.PROGRAMS if f"python -m bench.kernels {name}" not in text} == set()
