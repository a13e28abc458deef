"""A segment: one POSIX shared memory object per run, made, sized, checked, attached and unlinked through posix_ipc.

Plain Python, so that the service can clean up without the compiled core. The first 4096 bytes are the header, in
native little-endian order; the core formats the rest:

    offset  type     field
         0  8 bytes  magic, b"SWPRACE1"
         8  u32      layout version
        12  u32      bytes of the header (4096)
        16  u64      bytes of the whole segment
        24  u64      pid of the owner, the supervisor of the run
        32  u64      start time of the owner, in clock ticks since boot: field 22 of /proc/PID/stat
        64  32 u64   geometry, written by the core when it formats
       320  u64      state: 0 made, 1 formatted, 2 abandoned

A pid alone is reused; pid and start time together name one process for as long as the machine is up. Both are part of
the segment's name as well, so that an orphan is told from its name, before there is a header to read.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import secrets
import struct
import time
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple

import posix_ipc

from shm.errors import GeometryError, SegmentError, StaleSegment

MAGIC = b"SWPRACE1"
LAYOUT_VERSION = 5
HEADER_BYTES = 4096  # a page: what follows is page-aligned
HEADER = struct.Struct("<8sII3Q24x32QQ")
GEOMETRY_OFFSET = 64
GEOMETRY_WORDS = 32
STATE_OFFSET = 320
STATE = struct.Struct("<Q")
MADE, FORMATTED, ABANDONED = 0, 1, 2

SHM_DIRECTORY = "/dev/shm"  # where glibc keeps POSIX shared memory and, as sem.NAME, named semaphores
MARGIN_BYTES = 8 << 20  # left free: named semaphores, and runs of others that grow meanwhile
UNBORN_SECONDS = 60.0  # sem_open takes microseconds from making its file to filling it
_UNBORN = re.compile(r"sem\.[A-Za-z0-9]{6}")
_OURS = re.compile(r"(?:sem\.)?swaprace-(?P<pid>[1-9][0-9]{0,9})-(?P<start>[0-9]{1,20})-[0-9a-f]{16}(?:-[a-z0-9]+)?")


class Header(NamedTuple):
    """The header of a segment, less its magic. Sizes in bytes, start time in clock ticks since boot."""

    layout_version: int
    header_bytes: int
    size: int
    owner_pid: int
    owner_starttime: int
    geometry: tuple[int, ...]
    state: int


def start_time(pid: int) -> int | None:
    """Start time of a living process in clock ticks since boot; None when there is none, or but a zombie.

    Source: proc(5), /proc/PID/stat, field 22. The command in field 2 may hold blanks and parentheses, therefore the
    count starts behind the last parenthesis.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if len(fields) < 20 or fields[0] in "ZX":
        return None
    return int(fields[19])


def new_name(pid: int | None = None) -> str:
    """A name nobody guesses, `/swaprace-{pid}-{starttime}-{16 hex digits}`, for a segment owned by `pid`.

    `pid` is this process unless given. Raises SegmentError when no such process lives.
    """
    owner = os.getpid() if pid is None else pid
    start = start_time(owner)
    if start is None:
        raise SegmentError(f"no process {owner} lives: a segment's name carries the pid of its living owner")
    return f"/swaprace-{owner}-{start}-{secrets.token_hex(8)}"


def free_bytes() -> int:
    """Bytes that shared memory can still take: the lesser of what its file system has left and what the machine has.

    A tmpfs may be larger than memory; filling it then ends in the kernel's OOM killer instead of SIGBUS.
    """
    stat = os.statvfs(SHM_DIRECTORY)
    free = stat.f_bavail * stat.f_frsize
    with open("/proc/meminfo", encoding="ascii") as meminfo:
        for line in meminfo:
            if line.startswith("MemAvailable:"):
                return min(free, int(line.split()[1]) * 1024)
    return free


def ensure_fits(size: int) -> None:
    """Refuse a segment of `size` bytes that shared memory cannot hold, with GeometryError, before anything is created.

    A tmpfs file is sparse: creating too large a segment succeeds, and the first touch of a page that is not there kills
    the process with SIGBUS in the middle of a run.
    """
    free = free_bytes()
    if size + MARGIN_BYTES > free:
        raise GeometryError(
            f"the segment needs {size} bytes of shared memory, and {SHM_DIRECTORY} has {free} free, of which"
            f" {MARGIN_BYTES} stay free: ask for fewer folios, slots or pages, or enlarge {SHM_DIRECTORY}",
            asked_bytes=size,
            free_bytes=free,
        )


def pack_header(size: int, geometry: Sequence[int] = (), layout_version: int = LAYOUT_VERSION) -> bytes:
    """The first bytes of a segment of `size` bytes owned by this process, with up to 32 words of geometry."""
    if len(geometry) > GEOMETRY_WORDS:
        raise SegmentError(f"{len(geometry)} words of geometry: the header holds {GEOMETRY_WORDS}")
    start = start_time(os.getpid())
    assert start is not None  # this process lives
    words = [*geometry, *[0] * (GEOMETRY_WORDS - len(geometry))]
    return HEADER.pack(MAGIC, layout_version, HEADER_BYTES, size, os.getpid(), start, *words, MADE)


def read_header(buf: mmap.mmap | bytes, name: str) -> Header:
    """The header of a mapped segment, checked against itself. `name` is for the message of SegmentError."""
    if len(buf) < HEADER_BYTES:
        raise SegmentError(f"{name} has {len(buf)} bytes: a header alone has {HEADER_BYTES}")
    magic, *rest = HEADER.unpack_from(buf)
    version, header_bytes, size, pid, start, *geometry, state = rest
    if magic != MAGIC:
        raise SegmentError(f"{name} starts with {magic!r}: a segment of swaprace starts with {MAGIC!r}")
    if version != LAYOUT_VERSION:
        raise SegmentError(f"{name} has layout version {version}: this program reads version {LAYOUT_VERSION}")
    if header_bytes != HEADER_BYTES:
        raise SegmentError(f"{name} has a header of {header_bytes} bytes: version {version} has {HEADER_BYTES}")
    if size != len(buf):
        raise SegmentError(f"{name} has {len(buf)} bytes, and its header says {size}: it is cut or not of this run")
    return Header(version, header_bytes, size, pid, start, tuple(geometry), state)


class Segment:
    """A mapped segment. Who creates it unlinks it, and leaving its `with` block does both that and the unmapping.

    `buf` is the shared mapping of `size` bytes. A child forked meanwhile inherits the mapping and needs no attach.
    """

    def __init__(self, name: str, buf: mmap.mmap, *, owner: bool) -> None:
        self.name = name
        self.buf = buf
        self.size = len(buf)
        self._owner = owner

    @classmethod
    def create(cls, size: int, header: bytes | None = None, *, name: str | None = None) -> Segment:
        """Make a segment of `size` bytes, exclusively, mode 0600, zeroed behind its `header` (default: pack_header).

        Raises GeometryError when it does not fit, SegmentError when the name is taken or the header is not for it.
        """
        name = new_name() if name is None else name
        header = pack_header(size) if header is None else header
        if size < HEADER_BYTES or not HEADER.size <= len(header) <= HEADER_BYTES:
            raise SegmentError(f"{name}: {size} bytes with a header of {len(header)}: a header has {HEADER_BYTES}")
        if HEADER.unpack_from(header)[3] != size:
            raise SegmentError(f"{name}: the header is for {HEADER.unpack_from(header)[3]} bytes, not for {size}")
        ensure_fits(size)
        try:
            shared = posix_ipc.SharedMemory(name, posix_ipc.O_CREX, mode=0o600)
        except posix_ipc.ExistentialError:
            raise SegmentError(f"{name} exists already: a segment is created exclusively") from None
        try:
            os.ftruncate(shared.fd, size)
            buf = mmap.mmap(shared.fd, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        except BaseException:
            shared.unlink()
            raise
        finally:
            shared.close_fd()
        buf[: len(header)] = header
        return cls(name, buf, owner=True)

    @classmethod
    def attach(cls, name: str, *, write: bool = False) -> Segment:
        """Map a segment that another process owns, read-only unless `write`, once its header is found sound.

        Raises StaleSegment when its owner is gone or has abandoned it, SegmentError for all else that is wrong.
        """
        try:
            shared = posix_ipc.SharedMemory(name, read_only=not write)
        except posix_ipc.ExistentialError:
            raise SegmentError(f"there is no segment {name}: its run is over, or has not begun") from None
        except posix_ipc.PermissionsError:
            raise SegmentError(f"{name} belongs to another user: only its own user may attach it") from None
        try:
            size = os.fstat(shared.fd).st_size
            if size < HEADER_BYTES:
                raise SegmentError(f"{name} has {size} bytes: a header alone has {HEADER_BYTES}")
            protection = mmap.PROT_READ | (mmap.PROT_WRITE if write else 0)
            buf = mmap.mmap(shared.fd, size, mmap.MAP_SHARED, protection)
        finally:
            shared.close_fd()
        try:
            header = read_header(buf, name)
            if header.state == ABANDONED:
                raise StaleSegment(f"{name} is abandoned: its run has ended, and its contents are not at rest")
            if start_time(header.owner_pid) != header.owner_starttime:
                raise StaleSegment(f"{name} belongs to process {header.owner_pid}, which is gone")
        except SegmentError:
            buf.close()
            raise
        return cls(name, buf, owner=False)

    @property
    def header(self) -> Header:
        """The header as it is now."""
        return read_header(self.buf, self.name)

    def set_state(self, state: int) -> None:
        """Say where the segment is in its life: MADE, FORMATTED or ABANDONED."""
        STATE.pack_into(self.buf, STATE_OFFSET, state)

    def unlink(self) -> None:
        """Take the name away, once or often. Mappings that exist go on until they are closed."""
        try:
            posix_ipc.unlink_shared_memory(self.name)
        except posix_ipc.ExistentialError:
            return

    def close(self) -> None:
        """Unmap, once or often. Raises SegmentError while something still points into the mapping."""
        try:
            self.buf.close()
        except BufferError:
            raise SegmentError(f"{self.name} cannot be unmapped: something still points into it") from None

    def __enter__(self) -> Segment:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._owner:
            self.unlink()
        if error is None:
            self.close()
        else:  # its traceback may still point into the mapping; what has gone wrong matters more
            with contextlib.suppress(SegmentError):
                self.close()


def entries(directory: str = SHM_DIRECTORY) -> list[str]:
    """File names of all segments and named semaphores of swaprace in shared memory, whoever owns them, sorted."""
    return sorted(entry for entry in os.listdir(directory) if _OURS.fullmatch(entry))


def sweep_orphans(directory: str = SHM_DIRECTORY) -> list[str]:
    """Unlink the segments and named semaphores whose owner is gone, and return their file names, sorted.

    An owner is gone when no process has its pid, or one with another start time has. What belongs to another user, or
    has gone meanwhile, is passed over; of names that are not ours only sem_open's unborn files are looked at.
    """
    swept = []
    for entry in entries(directory):
        match = _OURS.fullmatch(entry)
        assert match is not None  # entries() names no other
        if start_time(int(match["pid"])) == int(match["start"]):
            continue
        try:
            os.unlink(os.path.join(directory, entry))
        except (FileNotFoundError, PermissionError, IsADirectoryError):
            continue
        swept.append(entry)
    return swept + _sweep_unborn(directory)


def _sweep_unborn(directory: str) -> list[str]:
    """Unlink what sem_open(3) leaves when its caller is killed in it: an empty file, `sem.` and six
    characters, not yet a semaphore.

    glibc fills that file and only then links it to the semaphore's name, so one that is empty after UNBORN_SECONDS is
    nobody's semaphore, whatever its name.
    """
    swept = []
    for entry in sorted(name for name in os.listdir(directory) if _UNBORN.fullmatch(name)):
        path = os.path.join(directory, entry)
        try:
            seen = os.stat(path)
            if seen.st_size or seen.st_uid != os.geteuid() or time.time() - seen.st_mtime < UNBORN_SECONDS:
                continue
            os.unlink(path)
        except (FileNotFoundError, PermissionError):
            continue
        swept.append(entry)
    return swept
