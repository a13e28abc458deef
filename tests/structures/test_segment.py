"""Segments: exclusive, private, checked before use, refused when too large, and swept when their owner is gone."""

from __future__ import annotations

import os
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import posix_ipc
import pytest

from shm import segment as segment_module
from shm.errors import GeometryError, SegmentError, StaleSegment
from shm.segment import (
    ABANDONED,
    FORMATTED,
    GEOMETRY_OFFSET,
    HEADER,
    HEADER_BYTES,
    MADE,
    STATE_OFFSET,
    Segment,
    ensure_fits,
    entries,
    free_bytes,
    new_name,
    pack_header,
    start_time,
    sweep_orphans,
)

SIZE = 4 * HEADER_BYTES


@pytest.fixture
def segment() -> Iterator[Segment]:
    with Segment.create(SIZE) as segment:
        yield segment


@pytest.fixture
def dead() -> tuple[int, int]:
    """Pid and start time of a process that is no more."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        start = start_time(process.pid)
        process.communicate(b"\n")
    assert start is not None
    return process.pid, start


def patch(segment: Segment, offset: int, data: bytes) -> None:
    segment.buf[offset : offset + len(data)] = data


def test_the_header_lies_as_documented() -> None:
    assert HEADER.size == 328
    header = pack_header(SIZE, geometry=range(1, 33))
    assert header[:8] == b"SWPRACE1"
    assert struct.unpack_from("<II3Q", header, 8) == (5, 4096, SIZE, os.getpid(), start_time(os.getpid()))
    assert header[40:64] == bytes(24)
    assert struct.unpack_from("<32Q", header, GEOMETRY_OFFSET) == tuple(range(1, 33))
    assert struct.unpack_from("<Q", header, STATE_OFFSET) == (MADE,)


def test_more_geometry_than_the_header_holds() -> None:
    with pytest.raises(SegmentError, match="33 words of geometry: the header holds 32"):
        pack_header(SIZE, geometry=range(33))


def test_start_time_is_field_22_whatever_the_command_is_called() -> None:
    with open("/proc/self/stat", encoding="utf-8") as file:
        assert start_time(os.getpid()) == int(file.read().rpartition(")")[2].split()[19])
    code = "import ctypes; ctypes.CDLL(None).prctl(15, b') R 1 (x y', 0, 0, 0); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        before = start_time(process.pid)
        assert process.stdout is not None
        process.stdout.readline()
        assert "x y" in Path(f"/proc/{process.pid}/comm").read_text(encoding="utf-8")
        assert start_time(process.pid) == before
        process.communicate(b"\n")
    assert start_time(process.pid) is None


def test_a_name_tells_its_owner_and_cannot_be_guessed() -> None:
    name = new_name()
    prefix = f"/swaprace-{os.getpid()}-{start_time(os.getpid())}-"
    assert name.startswith(prefix)
    assert len(name) == len(prefix) + 16
    assert name != new_name()
    assert new_name(1).startswith(f"/swaprace-1-{start_time(1)}-")


def test_a_name_for_nobody(dead: tuple[int, int]) -> None:
    with pytest.raises(SegmentError, match=f"no process {dead[0]} lives"):
        new_name(dead[0])


def test_a_segment_is_private_sized_and_zeroed(segment: Segment) -> None:
    status = os.stat(f"/dev/shm{segment.name}")
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_size == segment.size == len(segment.buf) == SIZE
    assert segment.buf[HEADER.size :] == bytes(SIZE - HEADER.size)
    assert segment.header.owner_pid == os.getpid()


def test_a_segment_is_created_exclusively(segment: Segment) -> None:
    with pytest.raises(SegmentError, match=f"{segment.name} exists already"):
        Segment.create(SIZE, name=segment.name)
    assert segment.name.lstrip("/") in entries()


def test_a_header_for_another_size(segment: Segment) -> None:
    with pytest.raises(SegmentError, match="the header is for 8192 bytes, not for 16384"):
        Segment.create(SIZE, pack_header(8192))
    with pytest.raises(SegmentError, match="100 bytes"):
        Segment.create(100, pack_header(100))


def test_leaving_the_block_unlinks_even_on_an_error() -> None:
    def fail(segment: Segment) -> None:
        with segment:
            assert segment.name.lstrip("/") in entries()
            raise ZeroDivisionError

    segment = Segment.create(SIZE)
    with pytest.raises(ZeroDivisionError):
        fail(segment)
    assert segment.name.lstrip("/") not in entries()
    assert segment.buf.closed


def test_unlink_and_close_again_and_again(segment: Segment) -> None:
    for _ in range(2):
        segment.unlink()
    for _ in range(2):
        segment.close()


def test_close_while_something_points_into_it(segment: Segment) -> None:
    with memoryview(segment.buf), pytest.raises(SegmentError, match="something still points into it"):
        segment.close()


def test_attach_sees_what_the_owner_writes(segment: Segment) -> None:
    segment.set_state(FORMATTED)
    patch(segment, HEADER_BYTES, b"folio")
    with Segment.attach(segment.name) as other:
        assert other.buf[HEADER_BYTES : HEADER_BYTES + 5] == b"folio"
        assert other.header == segment.header
        with pytest.raises(TypeError):
            other.buf[0] = 1
    assert segment.name.lstrip("/") in entries()  # only its owner unlinks it


def test_attach_to_write(segment: Segment) -> None:
    with Segment.attach(segment.name, write=True) as other:
        patch(other, HEADER_BYTES, b"folio")
    assert segment.buf[HEADER_BYTES : HEADER_BYTES + 5] == b"folio"


def test_attach_to_nothing() -> None:
    with pytest.raises(SegmentError, match="there is no segment /swaprace-none"):
        Segment.attach("/swaprace-none")


@pytest.mark.parametrize(
    ("offset", "data", "words"),
    [
        (0, b"SWPRACE0", "starts with b'SWPRACE0'"),
        (8, struct.pack("<I", 6), "layout version 6: this program reads version 5"),
        (12, struct.pack("<I", 64), "a header of 64 bytes: version 5 has 4096"),
        (16, struct.pack("<Q", SIZE + 1), f"has {SIZE} bytes, and its header says {SIZE + 1}"),
    ],
)
def test_attach_checks_the_header(segment: Segment, offset: int, data: bytes, words: str) -> None:
    patch(segment, offset, data)
    with pytest.raises(SegmentError, match=words):
        Segment.attach(segment.name)


@pytest.mark.parametrize("size", [0, 100, HEADER_BYTES - 1, SIZE - 1, SIZE + 1])
def test_attach_to_a_file_of_another_size(segment: Segment, size: int) -> None:
    os.truncate(f"/dev/shm{segment.name}", size)
    with pytest.raises(SegmentError, match=f"has {size} bytes"):
        Segment.attach(segment.name)


def test_attach_to_a_segment_whose_owner_is_gone(segment: Segment, dead: tuple[int, int]) -> None:
    patch(segment, 24, struct.pack("<QQ", *dead))
    with pytest.raises(StaleSegment, match=f"process {dead[0]}, which is gone"):
        Segment.attach(segment.name)


def test_attach_to_a_segment_whose_owners_pid_is_used_again(segment: Segment) -> None:
    patch(segment, 32, struct.pack("<Q", segment.header.owner_starttime - 1))
    with pytest.raises(StaleSegment):
        Segment.attach(segment.name)


def test_attach_to_an_abandoned_segment(segment: Segment) -> None:
    segment.set_state(ABANDONED)
    with pytest.raises(StaleSegment, match="is abandoned"):
        Segment.attach(segment.name)


def test_what_does_not_fit_is_refused_before_it_is_created() -> None:
    free = free_bytes()
    name = new_name()
    with pytest.raises(GeometryError, match=f"needs {free * 2} bytes") as refusal:
        Segment.create(free * 2, pack_header(free * 2), name=name)
    assert refusal.value.asked_bytes == free * 2
    assert refusal.value.free_bytes == pytest.approx(free, rel=0.1)
    assert name.lstrip("/") not in entries()


def test_a_margin_stays_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_module, "free_bytes", lambda: segment_module.MARGIN_BYTES + 5000)
    ensure_fits(5000)
    with pytest.raises(GeometryError):
        ensure_fits(5001)


def test_free_bytes_is_no_more_than_the_file_system_has() -> None:
    status = os.statvfs("/dev/shm")
    assert 0 < free_bytes() <= status.f_blocks * status.f_frsize


@pytest.fixture
def directory(tmp_path: Path, dead: tuple[int, int]) -> Path:
    """A directory as /dev/shm may be: ours, orphans, others', and junk."""
    me, mine = os.getpid(), start_time(os.getpid())
    assert mine is not None
    pid, start = dead
    for name in (
        f"swaprace-{me}-{mine}-00112233445566aa",  # alive
        f"sem.swaprace-{me}-{mine}-00112233445566aa-gate",
        f"swaprace-{me}-{mine + 1}-00112233445566bb",  # this pid, another process
        f"sem.swaprace-{me}-{mine - 1}-00112233445566bb-gate",
        f"swaprace-{pid}-{start}-00112233445566cc",  # gone
        f"sem.swaprace-{pid}-{start}-00112233445566cc-gate",
        "swaprace-",
        "swaprace-x-y-z",
        f"swaprace-{pid}-{start}-short",
        f"swaprace-{pid}-{start}-00112233445566CC",
        f"swaprace--{pid}-{start}-00112233445566cc",
        f"swaprace-{pid}-{start}-00112233445566cc.bak",
        f"swaprace-0-{start}-00112233445566cc",
        "swaprace-99999999999999999999-1-00112233445566cc",
        "sem.other",
        "PostgreSQL.1234",
        "swaprace-\xe4\n-\u0661",
    ):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / f"swaprace-{pid}-{start}-00112233445566dd").mkdir()
    return tmp_path


def test_orphans_are_swept_and_nothing_else(directory: Path, dead: tuple[int, int]) -> None:
    before = {path.name for path in directory.iterdir()}
    me, mine = os.getpid(), start_time(os.getpid())
    assert mine is not None
    swept = sweep_orphans(str(directory))
    assert set(swept) == {
        f"swaprace-{me}-{mine + 1}-00112233445566bb",
        f"sem.swaprace-{me}-{mine - 1}-00112233445566bb-gate",
        "swaprace-{}-{}-00112233445566cc".format(*dead),
        "sem.swaprace-{}-{}-00112233445566cc-gate".format(*dead),
    }
    assert {path.name for path in directory.iterdir()} == before - set(swept)
    assert sweep_orphans(str(directory)) == []


def test_the_segment_of_a_process_that_was_killed_is_swept(segment: Segment) -> None:
    code = "from shm.segment import Segment; s = Segment.create(8192); print(s.name, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        name = process.stdout.readline().decode().strip().lstrip("/")
        assert name not in sweep_orphans()
        process.kill()
    assert name in sweep_orphans()
    assert segment.name.lstrip("/") in entries()


def test_named_semaphores_are_counted_among_the_entries() -> None:
    name = f"{new_name()}-gate"
    semaphore = posix_ipc.Semaphore(name, posix_ipc.O_CREX)
    try:
        assert f"sem.{name.lstrip('/')}" in entries()
    finally:
        semaphore.unlink()
        semaphore.close()
    assert f"sem.{name.lstrip('/')}" not in entries()


def test_what_a_kill_within_sem_open_leaves_is_swept(tmp_path: Path) -> None:
    """Only what is empty and old: a filled file may be anybody's semaphore, a young one is being made."""
    old = time.time() - 3600
    for name, content, when in (
        ("sem.0rACUw", b"", old),
        ("sem.abcdef", b"x" * 32, old),
        ("sem.young1", b"", time.time()),
        ("sem.longer-name", b"", old),
    ):
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, (when, when))
    assert sweep_orphans(str(tmp_path)) == ["sem.0rACUw"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sem.abcdef", "sem.longer-name", "sem.young1"]
