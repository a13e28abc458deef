"""Page-reference traces on disk: `.swpt`, told byte by byte in docs/trace-format.md.

A trace is what one process did to its memory: which page, in which order, load or store. Its pages are numbered in
order of first touch, so a trace says nothing of addresses, and replays into an address space of `pages` pages.
"""

from __future__ import annotations

import json
import lzma
import os
import struct
import sys
import tempfile
import zlib
from array import array
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

MAGIC = b"SWPTRACE"
VERSION = 1
SUFFIX = ".swpt"
PREFIX = struct.Struct("<8sHHIIIQ")  # magic, version, reserved, header bytes, header crc, body crc, body bytes
MAX_HEADER_BYTES = 1 << 20  # a header is a few lines; more is no header
MAX_PAGES = 1 << 24  # as workers.spec.MAX_PAGES: pages of one mm
MAX_REFERENCES = 1 << 26  # 256 MiB in memory: what a worker may have to hold
REFERENCE_BYTES = 4
# Plain 32-bit words, and a compressor told that everything repeats at multiples of four: on the traces measured this
# is smaller than varint deltas under the same compressor, and reading it back needs no decoding loop.
FILTERS: list[dict[str, Any]] = [{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 0, "lp": 2, "pb": 2}]
TRACES = Path(__file__).parent / "traces"


class TraceError(ValueError):
    """A trace that cannot be read or written: which file, what is wrong with it, what would be right."""


@dataclass(frozen=True)
class TracedProcess:
    """A process that the recorded command ran. references counts accesses before the window dropped any."""

    command: str
    references: int
    pages: int
    kept: bool


@dataclass(frozen=True)
class Trace:
    """One process's page references: array('I'), each page << 1 | is_store, pages numbered in order of first touch."""

    name: str
    command: str
    pages: int
    references: array[int]
    window_pages: int = 1
    instructions: bool = False
    processes: tuple[TracedProcess, ...] = ()


@dataclass(frozen=True)
class TraceHeader:
    """What the head of a file says; read_header() gives it without unpacking the references."""

    name: str
    command: str
    pages: int
    references: int
    stores: int
    window_pages: int
    instructions: bool
    processes: tuple[TracedProcess, ...]


def write_trace(path: Path, trace: Trace) -> int:
    """Writes a trace in one step (a reader sees all of it or nothing) and returns the file's bytes.

    Error: TraceError for references that break the format: a page that is neither an earlier one nor the next new one.
    """
    check_order(path, trace)
    words = array("I", trace.references)
    if sys.byteorder == "big":
        words.byteswap()
    body = lzma.compress(words.tobytes(), format=lzma.FORMAT_RAW, filters=FILTERS)
    head = {
        "name": trace.name,
        "command": trace.command,
        "pages": trace.pages,
        "references": len(trace.references),
        "stores": count_stores(trace.references),
        "window_pages": trace.window_pages,
        "instructions": trace.instructions,
        "processes": [vars(process) for process in trace.processes],
    }
    text = json.dumps(head, sort_keys=True, indent=1).encode()
    if len(text) > MAX_HEADER_BYTES:
        raise TraceError(f"{path}: a header of {len(text)} bytes; {MAX_HEADER_BYTES} are allowed")
    prefix = PREFIX.pack(MAGIC, VERSION, 0, len(text), zlib.crc32(text), zlib.crc32(body), len(body))
    replace_file(path, prefix + text + body)
    return len(prefix) + len(text) + len(body)


def replace_file(path: Path, content: bytes) -> None:
    """Writes beside `path` and renames, so that no half file is ever seen under its name."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def check_order(path: Path, trace: Trace) -> None:
    """Checks that pages are numbered in order of first touch. Error: TraceError."""
    if not 0 <= trace.pages <= MAX_PAGES:
        raise TraceError(f"{path}: {trace.pages} pages; a trace has 0 to {MAX_PAGES}")
    if len(trace.references) > MAX_REFERENCES:
        raise TraceError(f"{path}: {len(trace.references)} references; a trace has at most {MAX_REFERENCES}")
    touched = 0
    for index, reference in enumerate(trace.references):
        if reference >> 1 >= touched:
            if reference >> 1 != touched:
                raise TraceError(
                    f"{path}: reference {index} is to page {reference >> 1}; the next new page is {touched}"
                )
            touched += 1
    if touched != trace.pages:
        raise TraceError(f"{path}: the trace says {trace.pages} pages, its references touch {touched}")


def count_stores(references: array[int]) -> int:
    """References with the lowest bit set, counted without a loop in Python: a trace has millions."""
    lowest = references.tobytes()[0 if sys.byteorder == "little" else REFERENCE_BYTES - 1 :: REFERENCE_BYTES]
    return lowest.translate(bytes(byte & 1 for byte in range(256))).count(1)


def narrowed(trace: Trace, window_pages: int) -> Trace:
    """The trace passed through a wider window: fewer references, the same pages. Error: ValueError when not wider."""
    if window_pages < trace.window_pages:
        raise ValueError(f"window_pages is {window_pages}; the trace passed a window of {trace.window_pages} already")
    window: OrderedDict[int, bool] = OrderedDict()  # page -> whether a store was kept, the latest last
    kept = array("I")
    for reference in trace.references:
        page, is_store = reference >> 1, bool(reference & 1)
        stored = window.pop(page, None)
        if stored is None or (is_store and not stored):
            kept.append(reference)
        window[page] = bool(stored) or is_store
        if len(window) > window_pages:
            window.popitem(last=False)
    return replace(trace, references=kept, window_pages=window_pages)


def read_header(path: Path) -> TraceHeader:
    """The header of a trace, without its references. Error: TraceError."""
    with open_trace(path) as file:
        return read_head(path, file)[0]


def read_trace(path: Path) -> Trace:
    """Reads and checks a whole trace. Error: TraceError for a file that is missing, foreign, truncated or corrupt."""
    with open_trace(path) as file:
        header, body_crc, body_bytes = read_head(path, file)
        body = file.read(body_bytes + 1)
    if len(body) < body_bytes:
        raise TraceError(f"{path}: truncated: {len(body)} of {body_bytes} bytes of references")
    if len(body) > body_bytes:
        raise TraceError(f"{path}: more bytes follow the {body_bytes} bytes of references")
    if zlib.crc32(body) != body_crc:
        raise TraceError(f"{path}: corrupt: the checksum of the references does not match")
    references = unpack(path, body, header.references)
    touched = (max(references, default=-1) >> 1) + 1
    if touched != header.pages:
        raise TraceError(f"{path}: corrupt: references to page {touched - 1} in a trace of {header.pages} pages")
    if count_stores(references) != header.stores:
        raise TraceError(f"{path}: corrupt: the header says {header.stores} stores, the references have another number")
    return Trace(
        name=header.name,
        command=header.command,
        pages=header.pages,
        references=references,
        window_pages=header.window_pages,
        instructions=header.instructions,
        processes=header.processes,
    )


def unpack(path: Path, body: bytes, count: int) -> array[int]:
    """The words of a body; never unpacks more than the header announced. Error: TraceError."""
    expected = count * REFERENCE_BYTES
    decompressor = lzma.LZMADecompressor(format=lzma.FORMAT_RAW, filters=FILTERS)
    try:
        raw = decompressor.decompress(body, max_length=expected + 1)
    except lzma.LZMAError as error:
        raise TraceError(f"{path}: corrupt: the references cannot be unpacked ({error})") from None
    if len(raw) != expected:
        raise TraceError(f"{path}: the header says {count} references, the body has another number")
    references = array("I")
    references.frombytes(raw)
    if sys.byteorder == "big":
        references.byteswap()
    return references


def open_trace(path: Path) -> Any:
    """The file, opened for bytes. Error: TraceError when it cannot be."""
    try:
        return open(path, "rb")
    except OSError as error:
        raise TraceError(f"{path}: cannot be read: {error.strerror}") from None


def read_head(path: Path, file: Any) -> tuple[TraceHeader, int, int]:
    """The header, and checksum and size of the body that follows. Error: TraceError."""
    prefix = file.read(PREFIX.size)
    if prefix[: len(MAGIC)] != MAGIC:
        raise TraceError(f"{path}: not a trace (it does not start with {MAGIC.decode()}); `swaprace record` makes one")
    if len(prefix) < PREFIX.size:
        raise TraceError(f"{path}: truncated: it ends within its first {PREFIX.size} bytes")
    _, version, _, header_bytes, header_crc, body_crc, body_bytes = PREFIX.unpack(prefix)
    if version != VERSION:
        raise TraceError(f"{path}: version {version} of the format; version {VERSION} is read here: record it again")
    if header_bytes > MAX_HEADER_BYTES:
        raise TraceError(f"{path}: corrupt: a header of {header_bytes} bytes; {MAX_HEADER_BYTES} are allowed")
    text = file.read(header_bytes)
    if len(text) < header_bytes:
        raise TraceError(f"{path}: truncated: {len(text)} of {header_bytes} bytes of its header")
    if zlib.crc32(text) != header_crc:
        raise TraceError(f"{path}: corrupt: the checksum of the header does not match")
    header = parse_header(path, text)
    if body_bytes > REFERENCE_BYTES * header.references + (1 << 16):
        raise TraceError(f"{path}: corrupt: {body_bytes} bytes for {header.references} references")
    return header, body_crc, body_bytes


def parse_header(path: Path, text: bytes) -> TraceHeader:
    """The header's JSON as TraceHeader. Error: TraceError for fields that are missing or out of range."""
    try:
        head = json.loads(text)
        header = TraceHeader(
            name=str(head["name"]),
            command=str(head["command"]),
            pages=int(head["pages"]),
            references=int(head["references"]),
            stores=int(head["stores"]),
            window_pages=int(head["window_pages"]),
            instructions=bool(head["instructions"]),
            processes=tuple(TracedProcess(**process) for process in head["processes"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise TraceError(f"{path}: its header lacks or misnames a field: {error}") from None
    if not 0 <= header.pages <= MAX_PAGES:
        raise TraceError(f"{path}: {header.pages} pages; a trace has 0 to {MAX_PAGES}")
    if not 0 <= header.references <= MAX_REFERENCES:
        raise TraceError(f"{path}: {header.references} references; a trace has 0 to {MAX_REFERENCES}")
    return header


def catalogue() -> dict[str, Path]:
    """The traces that come with the project: name -> path, in order of their names."""
    return {path.stem: path for path in sorted(TRACES.glob(f"*{SUFFIX}"))}


def resolve(name_or_path: str | Path) -> Path:
    """A name of the catalogue, or the path of a file. Error: TraceError when it is neither."""
    known = catalogue()
    if str(name_or_path) in known:
        return known[str(name_or_path)]
    path = Path(name_or_path)
    if path.is_file():
        return path
    raise TraceError(f"{name_or_path}: neither a file nor a trace of the catalogue ({', '.join(known) or 'empty'})")
