"""The recorder: what it reads of lackey's text, and recordings of real programs under valgrind."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
from array import array
from collections import OrderedDict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.workloads.lackey import MAX_WINDOW_PAGES, LackeyParser
from workers.workloads.recorder import RecorderError, record
from workers.workloads.trace_file import read_trace

PAGE_BYTES = 4096
needs_valgrind = pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")

Access = tuple[str, int, int]


def text_of(accesses: list[Access]) -> bytes:
    lines = [
        f"I  {address:08x},{size}" if kind == "I" else f" {kind} {address:08x},{size}"
        for kind, address, size in accesses
    ]
    return ("\n".join(["==7== Lackey", "==7== Command: ./a b", "==7== ", *lines, "==7== Exit code: 0"]) + "\n").encode()


def filtered(accesses: list[Access], window_pages: int, instructions: bool) -> list[int]:
    """The window in its plainest form: an ordered dict from page to whether a store was kept."""
    window: OrderedDict[int, bool] = OrderedDict()
    numbers: dict[int, int] = {}
    kept = []
    for kind, address, size in accesses:
        if kind == "I" and not instructions:
            continue
        is_store = kind in "SM"
        for page in sorted({address // PAGE_BYTES, (address + size - 1) // PAGE_BYTES}):
            stored = window.pop(page, None)
            if stored is None or (is_store and not stored):
                kept.append(numbers.setdefault(page, len(numbers)) << 1 | is_store)
            window[page] = bool(stored) or is_store
            if len(window) > window_pages:
                window.popitem(last=False)
    return kept


accesses_strategy = st.lists(
    st.tuples(st.sampled_from("LSMI"), st.integers(0, 1 << 17).map(lambda n: n * 37), st.sampled_from([1, 8, 512])),
    max_size=400,
)


@settings(max_examples=80, deadline=None)
@given(
    accesses=accesses_strategy,
    window_pages=st.integers(1, 12),
    instructions=st.booleans(),
    cuts=st.lists(st.integers(1, 50), min_size=1, max_size=5),
)
def test_the_parser_keeps_what_the_window_lets_through(
    accesses: list[Access], window_pages: int, instructions: bool, cuts: list[int]
) -> None:
    parser = LackeyParser(window_pages, 1 << 20, instructions)
    text = text_of(accesses)
    position = step = 0
    while position < len(text):
        size = cuts[step % len(cuts)]
        parser.feed(text[position : position + size])
        position += size
        step += 1
    expected = filtered(accesses, window_pages, instructions)
    assert parser.references() == array("I", expected)
    assert len(parser) == len(expected)
    assert parser.pages == (max(expected, default=-1) >> 1) + 1
    assert parser.stores_kept == sum(reference & 1 for reference in expected)
    assert not parser.full
    assert parser.messages[1] == "==7== Command: ./a b"


def test_a_long_trace_grows_the_tables() -> None:
    parser = LackeyParser(16, 1 << 24)
    pages = 50_000
    block = "".join(f" S {(page * 8191 % pages) * PAGE_BYTES:08x},8\n" for page in range(pages)).encode()
    parser.feed(block)
    parser.feed(block)
    assert parser.pages == pages
    assert len(parser) == parser.references_seen == 2 * pages


def test_the_limit_stops_the_parser() -> None:
    parser = LackeyParser(1, 10)
    parser.feed(b"".join(b" L %08x,4\n" % (page * PAGE_BYTES) for page in range(10)))
    before = parser.full
    parser.feed(b" L 00000000,4\n")
    assert (before, parser.full) == (False, True)
    assert list(parser.references()) == [page << 1 for page in range(10)]


@pytest.mark.parametrize(
    "line", [b"hello\n", b" X 0400,4\n", b" L 04zz,4\n", b" L 0400;4\n", b" L 0400,\n", b" S 0400,0\n"]
)
def test_foreign_text_is_refused(line: bytes) -> None:
    parser = LackeyParser(4, 100)
    with pytest.raises(ValueError, match="not a line of lackey"):
        parser.feed(b"==1== Lackey\n" + line + b" L 00000400,4\n")


@pytest.mark.parametrize("window_pages", [0, MAX_WINDOW_PAGES + 1])
def test_a_window_out_of_range_is_refused(window_pages: int) -> None:
    with pytest.raises(ValueError, match="window_pages"):
        LackeyParser(window_pages, 10)


@needs_valgrind
def test_a_real_program_is_recorded(tmp_path: Path) -> None:
    out = tmp_path / "true.swpt"
    summary = record(["/bin/true"], out)
    trace = read_trace(out)
    assert trace.name == "true"
    assert trace.command == summary.command == "/bin/true"
    assert (trace.pages, len(trace.references)) == (summary.pages, summary.references)
    assert trace.pages > 20
    assert 0 < summary.stores < summary.references < summary.references_seen
    assert summary.file_bytes == out.stat().st_size
    assert not summary.truncated


@needs_valgrind
def test_children_are_kept_apart(tmp_path: Path) -> None:
    """The shell runs two programs at once; each is a stream of its own, and the one named is kept."""
    out = tmp_path / "pair.swpt"
    summary = record(["/bin/sh", "-c", "/bin/true & /bin/cat /dev/null; wait"], out, process="/bin/cat")
    commands = [process.command for process in summary.processes]
    assert [command for command in commands if command.startswith("/bin/sh")]
    assert "/bin/true" in commands
    assert summary.command == "/bin/cat /dev/null"
    assert [process.command for process in summary.processes if process.kept] == ["/bin/cat /dev/null"]


@needs_valgrind
def test_max_references_ends_the_command(tmp_path: Path) -> None:
    summary = record(["/bin/sh", "-c", "while :; do /bin/true; done"], tmp_path / "loop.swpt", max_references=50)
    assert summary.truncated
    assert summary.references == 50


@needs_valgrind
def test_a_failing_command_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out.swpt"
    out.write_bytes(b"old")
    with pytest.raises(RecorderError, match="exit code 7"):
        record(["/bin/sh", "-c", "exit 7"], out)
    assert out.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [out]


@needs_valgrind
def test_a_process_that_did_not_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecorderError, match="no process named 'cc1' was traced; these were: /bin/true"):
        record(["/bin/true"], tmp_path / "out.swpt", process="cc1")
    assert list(tmp_path.iterdir()) == []


@needs_valgrind
def test_what_the_command_leaves_running_is_ended(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    record(["/bin/sh", "-c", f"/bin/sleep 1000 & echo $! > {pid_file}"], tmp_path / "out.swpt")
    pid = int(pid_file.read_text())
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return  # gone and reaped
    try:
        assert select.select([pidfd], [], [], 60)[0], "what the command left running outlived the recording"
    finally:
        os.close(pidfd)


@needs_valgrind
def test_a_killed_recorder_leaves_nothing_running(tmp_path: Path) -> None:
    """The recorder dies of SIGKILL while a grandchild of the command runs; the kernel tells when that one has gone."""
    pid_file = tmp_path / "pid"
    os.mkfifo(pid_file)
    script = f"/bin/sh -c 'echo $$ > {pid_file}; while :; do :; done'; true"
    code = (
        "import sys; from pathlib import Path; from workers.workloads.recorder import record;"
        "record(sys.argv[2:], Path(sys.argv[1]))"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "x.swpt"), "/bin/sh", "-c", script]) as recorder:
        pidfd = os.pidfd_open(int(pid_file.read_text()))
        recorder.kill()
    try:
        assert select.select([pidfd], [], [], 60)[0], "a process of the command outlived the recorder"
    finally:
        os.close(pidfd)


def test_a_missing_valgrind_names_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RecorderError, match="apt-get install valgrind"):
        record(["/bin/true"], tmp_path / "out.swpt")


@needs_valgrind
@pytest.mark.parametrize(
    ("command", "message"),
    [([], "no command to record"), (["/no/such/program"], "/no/such/program: no such program")],
)
def test_a_command_that_cannot_run_is_told(tmp_path: Path, command: list[str], message: str) -> None:
    with pytest.raises(RecorderError, match=message):
        record(command, tmp_path / "out.swpt")


def test_a_missing_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "valgrind").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(RecorderError, match="its folder does not exist"):
        record(["/bin/true"], tmp_path / "absent" / "out.swpt")


@needs_valgrind
def test_a_limit_out_of_range_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecorderError, match="max_references is 0"):
        record(["/bin/true"], tmp_path / "out.swpt", max_references=0)
