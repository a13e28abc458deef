"""The format of traces: what is written is read back, and what is damaged is refused with the reason."""

from __future__ import annotations

import struct
import zlib
from array import array
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.workloads.trace_file import (
    MAX_REFERENCES,
    PREFIX,
    SUFFIX,
    Trace,
    TracedProcess,
    TraceError,
    catalogue,
    narrowed,
    read_header,
    read_trace,
    resolve,
    write_trace,
)


def renumber(accesses: list[tuple[int, bool]]) -> tuple[int, array[int]]:
    """Pages of any numbers as pages in order of first touch: their number and the references."""
    numbers: dict[int, int] = {}
    references = array("I")
    for page, is_store in accesses:
        references.append(numbers.setdefault(page, len(numbers)) << 1 | is_store)
    return len(numbers), references


@pytest.fixture
def trace() -> Trace:
    pages, references = renumber([(page * page % 97, page % 3 == 0) for page in range(5000)])
    return Trace(
        "squares", "./squares 5000", pages, references, 8, False, (TracedProcess("./squares", 9000, 97, True),)
    )


@pytest.fixture
def written(trace: Trace, tmp_path: Path) -> Path:
    path = tmp_path / f"squares{SUFFIX}"
    write_trace(path, trace)
    return path


@settings(max_examples=60, deadline=None)
@given(
    accesses=st.lists(st.tuples(st.integers(0, 300), st.booleans()), max_size=500),
    name=st.text(max_size=20),
    window_pages=st.integers(1, 256),
)
def test_a_trace_survives_its_file(
    tmp_path_factory: pytest.TempPathFactory, accesses: list[tuple[int, bool]], name: str, window_pages: int
) -> None:
    path = tmp_path_factory.mktemp("round") / "trace.swpt"
    pages, references = renumber(accesses)
    trace = Trace(name, "a command", pages, references, window_pages, True, (TracedProcess("a", 1, 2, True),))
    assert write_trace(path, trace) == path.stat().st_size
    assert read_trace(path) == trace
    header = read_header(path)
    assert (header.pages, header.references) == (pages, len(references))
    assert header.stores == sum(is_store for _, is_store in accesses)


def test_a_trace_can_be_narrowed(trace: Trace) -> None:
    narrow = narrowed(trace, 48)
    assert narrow.window_pages == 48
    assert (narrow.pages, narrow.name) == (trace.pages, trace.name)
    assert trace.pages <= len(narrow.references) < len(trace.references)
    assert {reference >> 1 for reference in narrow.references} == set(range(trace.pages))
    small = Trace("small", "small", 3, array("I", [0, 2, 0, 1, 3, 4, 1, 0, 2]))
    assert list(narrowed(small, 2).references) == [0, 2, 1, 3, 4, 1, 2]
    with pytest.raises(ValueError, match="passed a window of 48"):
        narrowed(narrow, 16)


@pytest.mark.parametrize("kept", [0, 4, PREFIX.size - 1, PREFIX.size + 10, 400, -1])
def test_a_truncated_file_is_refused(written: Path, kept: int) -> None:
    written.write_bytes(written.read_bytes()[:kept])
    with pytest.raises(TraceError, match=r"truncated|not a trace") as caught:
        read_trace(written)
    assert str(written) in str(caught.value)


def test_bytes_after_the_end_are_refused(written: Path) -> None:
    written.write_bytes(written.read_bytes() + b"\0")
    with pytest.raises(TraceError, match="more bytes follow"):
        read_trace(written)


def test_no_flipped_byte_passes(written: Path, trace: Trace) -> None:
    good = written.read_bytes()
    reserved = range(10, 12)
    for position in [*range(PREFIX.size + 40), *range(PREFIX.size + 40, len(good), 97)]:
        bad = bytearray(good)
        bad[position] ^= 0x10
        written.write_bytes(bad)
        if position in reserved:
            assert read_trace(written) == trace
            continue
        with pytest.raises(TraceError):
            read_trace(written)


def test_another_version_is_named(written: Path) -> None:
    content = bytearray(written.read_bytes())
    content[8:10] = struct.pack("<H", 7)
    written.write_bytes(content)
    with pytest.raises(TraceError, match=r"version 7 .* version 1"):
        read_trace(written)


def rewrite_header(path: Path, old: bytes, new: bytes) -> None:
    """Replaces text in the header and mends its checksum, as a faulty writer would."""
    content = path.read_bytes()
    magic, version, reserved, header_bytes, _, body_crc, body_bytes = PREFIX.unpack(content[: PREFIX.size])
    text = content[PREFIX.size : PREFIX.size + header_bytes]
    assert old in text
    text = text.replace(old, new)
    prefix = PREFIX.pack(magic, version, reserved, len(text), zlib.crc32(text), body_crc, body_bytes)
    path.write_bytes(prefix + text + content[PREFIX.size + header_bytes :])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'"references": 5000', b'"references": 5001', "another number"),
        (b'"references": 5000', b'"references": 4999', "another number"),
        (b'"references": 5000', b'"references": 99999999999', "at most|has 0 to"),
        (b'"pages": 49', b'"pages": 50', "references to page 48 in a trace of 50 pages"),
        (b'"pages": 49', b'"pages": 48', "references to page 48 in a trace of 48 pages"),
        (b'"pages": 49', b'"pages": -1', "-1 pages"),
        (b'"stores": ', b'"stores": 1', "stores"),
        (b'"name"', b'"nome"', "lacks or misnames"),
        (b'"kept": true', b'"kepp": true', "lacks or misnames"),
    ],
)
def test_a_header_that_lies_is_refused(written: Path, old: bytes, new: bytes, message: str) -> None:
    rewrite_header(written, old, new)
    with pytest.raises(TraceError, match=message):
        read_trace(written)


@pytest.mark.parametrize(
    ("pages", "references", "message"),
    [
        (2, [0, 2, 4], "says 2 pages, its references touch 3"),
        (3, [0, 4, 2], "reference 1 is to page 2; the next new page is 1"),
        (3, [0, 2], "says 3 pages, its references touch 2"),
    ],
)
def test_references_out_of_order_are_not_written(
    tmp_path: Path, pages: int, references: list[int], message: str
) -> None:
    path = tmp_path / "bad.swpt"
    with pytest.raises(TraceError, match=message):
        write_trace(path, Trace("bad", "bad", pages, array("I", references)))
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(written: Path, trace: Trace) -> None:
    before = written.read_bytes()
    with pytest.raises(TraceError):
        write_trace(written, Trace("bad", "bad", 5, trace.references))
    assert written.read_bytes() == before
    assert [path.name for path in written.parent.iterdir()] == [written.name]


def test_the_catalogue_holds_two_real_programs() -> None:
    traces = catalogue()
    assert {"cc1", "python"} <= set(traces)
    for name, path in traces.items():
        trace = read_trace(path)
        assert trace.name == name
        assert path.stat().st_size < 1_500_000
        assert trace.pages >= 800
        assert 100_000 <= len(trace.references) <= MAX_REFERENCES
        assert sum(process.kept for process in trace.processes) == 1
    assert read_header(traces["cc1"]).pages >= 1500


def test_resolve_takes_names_and_paths(written: Path) -> None:
    assert resolve("cc1") == catalogue()["cc1"]
    assert resolve(str(written)) == written
    with pytest.raises(TraceError, match=r"no-such-trace: neither a file nor .*cc1"):
        resolve("no-such-trace")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="No such file"):
        read_trace(tmp_path / "absent.swpt")
