"""The choices of an execution in few bytes: a byte each as recorded, and mostly the same CPU again.

Eight bytes of chance come first and stay as they are, unless all are 0. The rest is packed in the way that is
shortest for it: so many bits a choice as the largest needs, or runs (a value and its length), each as it is or
deflated, which helps where a loop repeats.
"""

from __future__ import annotations

import zlib

CHANCE = 8
MOST = 1 << 20  # choices: a recording of that length was never shrunk
NO_CHANCE, DEFLATED, RUNS = 0x80, 0x40, 0x20  # flags of the first byte; below them the bits a choice
BITS_MASK = 0x0F
WIDTHS = (1, 2, 4, 8)


class PackingError(ValueError):
    """Bytes that are no packed choices."""


def pack(choices: bytes) -> bytes:
    """Flags, how many choices, and they."""
    chance, rest = choices[:CHANCE], choices[CHANCE:]
    flags = NO_CHANCE if len(chance) == CHANCE and not any(chance) else 0
    if flags:
        chance = b""
    width = next(width for width in WIDTHS if max(rest, default=0) >> width == 0)
    ways = [(width, _bits(rest, width)), (width | RUNS, _runs(rest, width))]
    ways += [(how | DEFLATED, _deflated(packed)) for how, packed in ways]
    how, packed = min(ways, key=lambda way: len(way[1]))
    return bytes([how | flags]) + varint(len(choices)) + chance + packed


def unpack(data: bytes) -> bytes:
    """The choices that `pack` was given. PackingError: the bytes are no such thing."""
    if not data:
        raise PackingError("there are no choices")
    how, width = data[0], data[0] & BITS_MASK
    count, at = read_varint(data, 1)
    if count > MOST or width not in WIDTHS:
        raise PackingError(f"{count} choices of {width} bits")
    lead = min(count, CHANCE)
    chance = bytes(CHANCE) if how & NO_CHANCE else data[at : at + lead]
    packed = data[at if how & NO_CHANCE else at + lead :]
    if how & DEFLATED:
        packed = _inflated(packed)
    rest = count - lead
    found = _from_runs(packed, width, rest) if how & RUNS else _from_bits(packed, width, rest)
    if len(chance) != lead or len(found) != rest:
        raise PackingError(f"{len(chance) + len(found)} choices where {count} were announced")
    return chance + found


def varint(number: int) -> bytes:
    """A number in 7 bits a byte, the lowest first; the upper bit says that more follow."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at a place, and the place behind it. PackingError: the bytes end before it does."""
    number = shift = 0
    while at < len(data) and shift <= 28:
        number |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return number, at
        shift += 7
    raise PackingError("a number is not whole")


def _bits(choices: bytes, width: int) -> bytes:
    each = 8 // width
    padded = choices + bytes(-len(choices) % each)
    parts = [[choice << place * width for choice in padded[place::each]] for place in range(each)]
    return bytes(map(sum, zip(*parts, strict=True)))


def _from_bits(packed: bytes, width: int, count: int) -> bytes:
    each, mask = 8 // width, (1 << width) - 1
    if len(packed) != -(-count // each):
        raise PackingError(f"{len(packed)} bytes for {count} choices of {width} bits")
    return bytes(byte >> place * width & mask for byte in packed for place in range(each))[:count]


def _runs(choices: bytes, width: int) -> bytes:
    """Each run as a varint of its length less one above the bits of its value."""
    out, at = b"", 0
    while at < len(choices):
        end = at
        while end < len(choices) and choices[end] == choices[at]:
            end += 1
        out += varint(end - at - 1 << width | choices[at])
        at = end
    return out


def _from_runs(packed: bytes, width: int, count: int) -> bytes:
    out, at = bytearray(), 0
    while at < len(packed) and len(out) <= count:
        run, at = read_varint(packed, at)
        length = (run >> width) + 1
        if length > count:
            raise PackingError(f"a run of {length} of {count} choices")
        out += bytes([run & (1 << width) - 1]) * length
    return bytes(out)


def _deflated(plain: bytes) -> bytes:
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return squeezer.compress(plain) + squeezer.flush()


def _inflated(squeezed: bytes) -> bytes:
    opener = zlib.decompressobj(-15)
    try:
        plain = opener.decompress(squeezed, MOST)
    except zlib.error as error:
        raise PackingError(f"the choices do not inflate: {error}") from None
    if not opener.eof:
        raise PackingError("the choices are not whole")
    return plain
