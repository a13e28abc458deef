"""The start gate: made exclusively, nameless at once, and nobody passes before it opens."""

from __future__ import annotations

import os
from collections.abc import Iterator

import posix_ipc
import pytest

from shm.errors import SegmentError
from shm.segment import entries, new_name
from workers.executors.child import Child, Lines, kill_all, write_line
from workers.executors.gate import Gate
from workers.executors.watch import readable

SECOND_NS = 1_000_000_000


@pytest.fixture
def lines() -> Iterator[Lines]:
    lines = Lines()
    yield lines
    lines.close()


def test_it_has_no_name_once_it_is_there() -> None:
    name = new_name()
    gate = Gate(name)
    assert f"sem.{name.lstrip('/')}-gate" not in entries()
    gate.close()


def test_it_is_made_exclusively() -> None:
    name = new_name()
    other = posix_ipc.Semaphore(f"{name}-gate", posix_ipc.O_CREX)
    try:
        with pytest.raises(SegmentError, match="exists already"):
            Gate(name)
    finally:
        other.unlink()
        other.close()


def test_as_many_pass_as_it_is_opened_for(lines: Lines) -> None:
    gate = Gate(new_name())

    def cpu() -> int:
        gate.wait()
        write_line(lines.write_fileno, {"pid": os.getpid()})
        return 0

    children = [Child.fork(cpu) for _ in range(3)]
    try:
        assert readable([lines.fileno], SECOND_NS // 20) == set()
        gate.open(2)
        passed: list[int] = []
        while len(passed) < 2:
            assert readable([lines.fileno], 10 * SECOND_NS)
            passed += [message["pid"] for message in lines.take()]
        assert readable([lines.fileno], SECOND_NS // 20) == set()
        gate.open(1)
        assert readable([lines.fileno], 10 * SECOND_NS)
        passed += [message["pid"] for message in lines.take()]
        assert sorted(passed) == sorted(child.pid for child in children)
    finally:
        assert kill_all(children) == []
        gate.close()
