"""A finding in one short line: all that it takes to play it again, and nothing else.

    sr1-<base64url of the bytes below>

| bytes | what |
| --- | --- |
| varint | how many bytes follow: a token that was cut off says so |
| varint, that many | the head: JSON of protocol, race, options and law, deflated with DICTIONARY |
| 1, varint, rest | how the choices are packed, how many there are, and they (workers/explorer/choices.py) |
| 4 | digest of the protocol's sources |
| 4 | digest of the core's sources |
| 8 | hash of the execution's steps |
| 4 | CRC-32 of all before it |

The race stands in the token itself, with its CPUs, its steps and its machine, also those fields that all races have in
common (workers.races.SMALL): what a scenario comes to mean later changes no token. DICTIONARY is a part of version 1.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from dataclasses import dataclass
from typing import Any, get_args

from workers.exploration import FindingKind, TickModel
from workers.explorer.choices import PackingError, pack, read_varint, unpack, varint
from workers.races import SMALL, Race

PREFIX = "sr1-"
LONGEST = 64_000  # characters: some 40,000 choices; what is longer was never shrunk, and no line to paste
LONGEST_HEAD = 1 << 16  # bytes of JSON
LAWS = ("off", "at_rest", "every_step")
DIGEST_BYTES, HASH_BYTES, CHECK_BYTES = 4, 8, 4
TAIL_BYTES = 2 * DIGEST_BYTES + HASH_BYTES
DELAYED_STORES, LIVENESS = 1, 2  # options of an exploration, as bits
VERSION = re.compile(r"sr(\d+)-")

# What heads are mostly made of, the most frequent last. Part of version 1: every byte of it.
DICTIONARY = (
    b'"swapon""memory_max","swap_max","memcg_offline","memcg_online","attach","inject","charge","folio_alloc",'
    b'"table_alloc","count_alloc","device_error","device_slow","lock_delay",1000000"devices":2,"lock":"sem",'
    b'"readahead_pages":8,"children":2,"swap_limit_pages":,"hz":1000,"device":{"kind":"disk","read_ns":2000,'
    b'"write_ns":2000,"queue_depth":1},"payload_bytes":64,"store_percent":,"mms":3,"pages":2,"folios":24,"slots":32,'
    b'"cluster_slots":16,"livelock","lost_wakeup","no_progress","partial_deadlock","deadlock","skip_cache"'
    b'"has_cache_waitqueue""has_cache""swap_table_count""swap_table""unsynchronized""swap_cache_as_posted""swap_cache"'
    b'"await""any""at_rest""off"["fork",0,1],["swapoff"],["store",1,0]],[["dontneed",0,0]],[["load",1,0]],[["exit",1]],'
    b'[["pageout",0,0],["reclaim",1]],[["load",0,0],["exit",0]],[["load",0,0]],[["load",0,0]],[["pageout",0,0]]]'
    b'["L2","C1","C4","C8","F2","P1","Q1","Q7","Q12","T5","Q11","Q15","law"]'
    b'[[["reclaim",1]],[["exit",0]]],"memcg":{"version":1,"limit_pages":48},'
    b'["swap_cache",[["mm_init",0],["store",0,0],["pageout",0,0]],[[["load",0,0]],[["load",0,0]]]'
    b',{"mms":2,"pages":1,"folios":16,"slots":16,"cluster_slots":8,"device":{"kind":"zram","read_ns":0,"write_ns":0},'
    b'"memcg":{"limit_pages":48},"lockdep":true},"every_step","time",0,"law","Q'
)


class TokenError(ValueError):
    """A line that is no token: what is wrong with it."""


@dataclass(frozen=True)
class Token:
    """A finding: what was played, how it was looked at, what was found, and how to meet it again.

    `race` is workers.races.Race without name and sentence, and once decoded with every field of its machine. `tick`
    is the model of a tick's sleep, `choices` the recording of the execution, `steps_hash` that of its steps. The
    digests are those of workers.explorer.sources at that time.
    """

    protocol: str
    race: Race
    kind: FindingKind
    law: str
    choices: bytes
    steps_hash: int
    protocol_digest: bytes
    core_digest: bytes
    laws: str = "every_step"
    tick: TickModel = "time"
    delayed_stores: bool = False
    liveness: bool = False

    def encode(self) -> str:
        """The token as a line of letters, digits, - and _."""
        race = [self.race.before, self.race.race, {**SMALL, **self.race.fields}]
        flags = DELAYED_STORES * self.delayed_stores + LIVENESS * self.liveness
        head = [self.protocol, *race, self.laws, self.tick, flags, self.kind, self.law]
        squeezed = _deflated(json.dumps(head, separators=(",", ":")).encode())
        tail = self.protocol_digest + self.core_digest + self.steps_hash.to_bytes(HASH_BYTES, "big")
        body = varint(len(squeezed)) + squeezed + pack(self.choices) + tail
        body = varint(len(body) + CHECK_BYTES) + body
        body += zlib.crc32(body).to_bytes(CHECK_BYTES, "big")
        return PREFIX + base64.urlsafe_b64encode(body).rstrip(b"=").decode()


def decode(text: str) -> Token:
    """The token of a line; white space does not matter, as in one that a mail has wrapped. TokenError: why not."""
    body = _checked(_bytes_of(re.sub(r"\s+", "", text)))
    try:
        length, at = read_varint(body, 0)
        head = json.loads(_inflated(body[at : at + length]))
        choices = unpack(body[at + length : -TAIL_BYTES])
        protocol, before, race, fields, laws, tick, flags, kind, law = head
    except (PackingError, ValueError, RecursionError, zlib.error) as error:
        raise TokenError(f"the token cannot be read, though its checksum is right: {error}") from None
    if not isinstance(flags, int) or not 0 <= flags <= DELAYED_STORES | LIVENESS:
        raise TokenError(f"the token's options are {flags!r}, which this swaprace does not know")
    _known(laws=(laws, LAWS), tick=(tick, get_args(TickModel)), kind=(kind, get_args(FindingKind)))
    tail = body[-TAIL_BYTES:]
    return Token(
        protocol=str(protocol),
        race=_race(before, race, fields),
        kind=kind,
        law=str(law),
        choices=choices,
        steps_hash=int.from_bytes(tail[2 * DIGEST_BYTES :], "big"),
        protocol_digest=tail[:DIGEST_BYTES],
        core_digest=tail[DIGEST_BYTES : 2 * DIGEST_BYTES],
        laws=laws,
        tick=tick,
        delayed_stores=bool(flags & DELAYED_STORES),
        liveness=bool(flags & LIVENESS),
    )


def _bytes_of(line: str) -> bytes:
    if not line:
        raise TokenError(f"the token is empty; one begins with {PREFIX}")
    if len(line) > LONGEST:
        raise TokenError(f"the token has {len(line)} characters; the longest has {LONGEST}")
    if not line.startswith(PREFIX):
        version = VERSION.match(line)
        if version:
            raise TokenError(f"the token is of version {version[1]}; this swaprace reads version 1 ({PREFIX}...)")
        raise TokenError(f"{line[:20]!r} begins no token; one begins with {PREFIX}")
    packed = line[len(PREFIX) :]
    foreign = re.search(r"[^A-Za-z0-9_-]", packed)
    if foreign:
        place = len(PREFIX) + foreign.start() + 1
        raise TokenError(f"character {place} of the token is {foreign[0]!r}; letters, digits, - and _ make a token")
    try:
        data = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
    except binascii.Error:
        raise TokenError(f"the token was cut off: {len(line)} characters are no whole number of bytes") from None
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != packed:  # bits of the last character that mean nothing
        raise TokenError("the token was cut off, or its last character was changed")
    return data


def _checked(data: bytes) -> bytes:
    """The body of a token: what lies between its length and its checksum."""
    try:
        length, at = read_varint(data, 0)
    except PackingError:
        raise TokenError("the token was cut off: its length is missing") from None
    missing = length - (len(data) - at)
    if missing > 0:
        raise TokenError(
            f"the token was cut off, or a character of it is wrong: {missing} of {length} bytes are missing"
        )
    if missing < 0:
        raise TokenError(f"the token has {-missing} bytes too many: is something pasted behind it?")
    if length < CHECK_BYTES + TAIL_BYTES:
        raise TokenError(f"the token is too short: {length} bytes, and the least has {CHECK_BYTES + TAIL_BYTES}")
    if zlib.crc32(data[:-CHECK_BYTES]) != int.from_bytes(data[-CHECK_BYTES:], "big"):
        raise TokenError("the token's checksum is wrong: a character of it was changed")
    return data[at:-CHECK_BYTES]


def _deflated(plain: bytes) -> bytes:
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)
    return squeezer.compress(plain) + squeezer.flush()


def _inflated(squeezed: bytes) -> bytes:
    opener = zlib.decompressobj(-15, DICTIONARY)
    plain = opener.decompress(squeezed, LONGEST_HEAD)
    if not opener.eof:
        raise TokenError(f"the token's head is not whole, or longer than {LONGEST_HEAD} bytes")
    return plain


def _race(before: Any, race: Any, fields: Any) -> Race:
    """The race of a head. What its steps mean is for the script to say."""
    if not (isinstance(before, list) and isinstance(race, list) and race and isinstance(fields, dict)):
        raise TokenError("the token's race is no list of steps a CPU with the fields of a machine")
    return Race("replayed", "", _steps(before), tuple(_steps(of_cpu) for of_cpu in race), fields)


def _steps(told: Any) -> tuple[tuple[str | int, ...], ...]:
    if not isinstance(told, list) or not all(isinstance(step, list) and step for step in told):
        raise TokenError("a step of the token's race is no list of an operation and its arguments")
    if not all(isinstance(part, str | int) for step in told for part in step):
        raise TokenError("an argument of a step of the token's race is neither a number nor a name")
    return tuple(tuple(step) for step in told)


def _known(**given: tuple[Any, tuple[str, ...]]) -> None:
    for name, (value, known) in given.items():
        if value not in known:
            raise TokenError(f"the token's {name} is {value!r}; there are: {', '.join(known)}")
