"""Tokens: what goes in comes out, in few characters, and a damaged one says what is wrong."""

from __future__ import annotations

import base64
import json
import re
import zlib
from contextlib import suppress
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.exploration import FindingKind, TickModel
from workers.explorer.choices import PackingError, pack, unpack
from workers.explorer.sources import CHECKOUT, core_digest, core_sources, digest_of, protocol_digest, protocol_sources
from workers.explorer.token import DICTIONARY, LAWS, LONGEST, PREFIX, Token, TokenError, decode
from workers.races import RACES, SMALL, Race

# Choices of a random walk that found entry 26 and was not shrunk: 52 of them after the eight of chance.
WALK = bytes.fromhex(
    "5f3cc45942aec03400000000000000000000000001000100000100000000000001000001000001010001010100010000000001010001010101000001"
)
SHRUNK = bytes(8) + bytes(30) + b"\1" * 14 + bytes(20)


# Of the day when version 1 was made: it must be read as long as there is a version 1.
DICTIONARY_OF_VERSION_1 = (1264, 167490768)
OF_VERSION_1 = "sr1-MxmLxp448QYOJDDwRMdAhQXeyCcpXICpMBYAoUg6GyYBAgMEBQYHCAEjRWeJq83vcN08Cg"
OF_VERSION_1_RACE = Race(
    "replayed",
    "",
    (("mm_init", 0), ("store", 0, 0)),
    ((("reclaim", 1),), (("exit", 0),)),
    {
        "mms": 2,
        "pages": 1,
        "folios": 16,
        "slots": 16,
        "cluster_slots": 8,
        "device": {"kind": "zram", "read_ns": 0, "write_ns": 0},
        "memcg": {"version": 1, "limit_pages": 48},
        "lockdep": True,
    },
)


def token(**other: Any) -> Token:
    given: dict[str, Any] = {
        "protocol": "swap_cache_as_posted",
        "race": RACES["memcg_exit"],
        "kind": "law",
        "law": "T5",
        "choices": SHRUNK,
        "steps_hash": 0x0123456789ABCDEF,
        "protocol_digest": b"\1\2\3\4",
        "core_digest": b"\5\6\7\10",
    }
    return Token(**{**given, **other})


def replayed(race: Race) -> Race:
    """A race as a token has it: with every field of its machine, without a name."""
    fields = json.loads(json.dumps({**SMALL, **race.fields}))
    return Race("replayed", "", race.before, race.race, fields)


arguments = st.integers(0, 99) | st.text(max_size=9)
steps = st.lists(st.tuples(st.sampled_from(["load", "store", "exit", "inject"]), arguments), max_size=5).map(tuple)
races = st.builds(
    Race,
    name=st.just("replayed"),
    sentence=st.just(""),
    before=steps,
    race=st.lists(steps, min_size=1, max_size=4).map(tuple),
    fields=st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=8) | st.booleans(), max_size=4),
)
tokens = st.builds(
    Token,
    protocol=st.sampled_from(["swap_cache", "skip_cache", "/tmp/mine é.pyx:Mine"]),
    race=races,
    kind=st.sampled_from(get_args(FindingKind)),
    law=st.sampled_from(["Q11", "L2", "T5"]),
    choices=st.binary(max_size=300) | st.lists(st.integers(0, 3), max_size=300).map(bytes),
    steps_hash=st.integers(0, (1 << 64) - 1),
    protocol_digest=st.binary(min_size=4, max_size=4),
    core_digest=st.binary(min_size=4, max_size=4),
    laws=st.sampled_from(LAWS),
    tick=st.sampled_from(get_args(TickModel)),
    delayed_stores=st.booleans(),
    liveness=st.booleans(),
)


@given(tokens)
def test_what_goes_in_comes_out(given_token: Token) -> None:
    line = given_token.encode()
    assert re.fullmatch(r"sr1-[A-Za-z0-9_-]+", line)
    expected = replace(given_token, race=replayed(given_token.race))
    assert decode(line) == expected
    wrapped = "\n  ".join(line[at : at + 60] for at in range(0, len(line), 60))
    assert decode(f" {wrapped}\n") == expected


@given(st.binary(max_size=400) | st.lists(st.integers(0, 2), max_size=2000).map(bytes))
def test_choices_are_packed_without_loss(choices: bytes) -> None:
    packed = pack(choices)
    assert unpack(packed) == choices
    assert len(packed) <= len(choices) + 3


@given(st.binary(max_size=60))
def test_bytes_that_are_no_choices_are_refused_or_read(data: bytes) -> None:
    with suppress(PackingError):
        choices = unpack(data)
        assert unpack(pack(choices)) == choices


def test_runs_and_loops_are_short() -> None:
    assert len(pack(bytes(8) + bytes(10_000))) < 8
    assert len(pack(bytes(8) + bytes([0, 1, 1, 0, 2] * 2_000))) < 60
    assert len(pack(WALK)) == 2 + 8 + 7, "one bit a choice of two CPUs"


@pytest.mark.parametrize("race", RACES.values(), ids=lambda race: race.name)
def test_a_token_is_short(race: Race) -> None:
    for choices in (SHRUNK, WALK):
        line = token(race=race, choices=choices).encode()
        assert len(line) < (140 if race.fields.keys() <= {*SMALL, "devices"} else 200) or len(race.before) > 40, line
        assert len(line) < 500, line
        assert decode(line).race == replayed(race)


def test_every_changed_character_is_noticed() -> None:
    for at in range(len(PREFIX), len(OF_VERSION_1)):
        for other in "Aq_":
            if other != OF_VERSION_1[at]:
                with pytest.raises(TokenError):
                    decode(OF_VERSION_1[:at] + other + OF_VERSION_1[at + 1 :])


def test_every_cut_is_noticed() -> None:
    for length in range(len(PREFIX), len(OF_VERSION_1)):
        with pytest.raises(TokenError, match="cut off"):
            decode(OF_VERSION_1[:length])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "the token is empty; one begins with sr1-"),
        ("hello", "'hello' begins no token"),
        ("sr7-abcd", "version 7; this swaprace reads version 1"),
        ("sr1-ab$d", r"character 7 of the token is '\$'"),
        ("sr1-" + "A" * LONGEST, "the longest has"),
        ("sr1-AA", "too short: 0 bytes"),
        (token().encode() + "AAAA", "3 bytes too many"),
    ],
)
def test_what_is_no_token_is_told(line: str, words: str) -> None:
    with pytest.raises(TokenError, match=words):
        decode(line)


def test_a_head_of_another_kind_is_refused() -> None:
    with pytest.raises(TokenError, match="laws is 'sometimes'; there are: off, at_rest, every_step"):
        decode(token(laws="sometimes").encode())
    with pytest.raises(TokenError, match="race is no list"):
        decode(token(race=Race("replayed", "", (), ())).encode())
    strange: Any = (("load", {"mm": 0}),)
    with pytest.raises(TokenError, match="neither a number nor a name"):
        decode(token(race=Race("replayed", "", strange, ((),))).encode())


@settings(max_examples=200)
@given(st.binary(max_size=80))
def test_no_bytes_are_an_error_of_another_kind(data: bytes) -> None:
    with pytest.raises(TokenError, match="token"):
        decode(PREFIX + base64.urlsafe_b64encode(data).decode().rstrip("="))


def test_the_dictionary_of_version_1_is_the_one_that_tokens_were_made_with() -> None:
    """A changed dictionary makes every token of version 1 unreadable: it needs a new version."""
    assert (len(DICTIONARY), zlib.crc32(DICTIONARY)) == DICTIONARY_OF_VERSION_1
    assert decode(OF_VERSION_1) == token(race=OF_VERSION_1_RACE)
    assert token(race=OF_VERSION_1_RACE).encode() == OF_VERSION_1


def test_sources_are_those_that_decide_the_steps() -> None:
    names = {str(path).partition("/workers/")[2] for path in core_sources()}
    assert {"cpu.pxd", "mm/swap_state.pyx", "operations/fault.pyx", "executors/execution.pyx"} <= names
    assert not [name for name in names if name.startswith(("protocols/", "invariants/"))]
    posted = [path.name for path in protocol_sources("swap_cache_as_posted")]
    assert {"swap_cache_as_posted.pyx", "swap_cache.pyx", "base.pyx"} <= set(posted)
    assert "has_cache.pyx" not in posted
    assert protocol_digest("swap_cache") != protocol_digest("swap_cache_as_posted")
    assert len(core_digest()) == 4


# What a source of the core imports and what decides no step of a replay.
ELSEWHERE = {
    *("workers.executors.process_cpu", "workers.executors.child", "workers.executors.watch"),  # real CPUs
    *("workers.executors.cooperative", "workers.invariants.registry", "shm.errors"),  # laws, refusals
    "workers.executors.sound_states",  # which states need no judge
    "workers.protocols.registry",  # a protocol has a digest of its own
    "workers.schedulers.random_walk",  # its choices stand in the token
    # What CPUs do in a run; in a race they have scripts.
    *(
        f"workers.workloads.{name}"
        for name in ("devices", "files", "mix", "programs", "scenarios", "trace", "trace_file")
    ),
}


def test_what_the_core_stands_on_is_of_it_too() -> None:
    """Whatever code of ours a source of the core imports decides steps as well, unless it is ELSEWHERE."""
    ours = {str(path.relative_to(CHECKOUT).with_suffix("")).replace("/", ".") for path in core_sources()}
    wanted = {
        module
        for path in core_sources()
        for module in re.findall(r"^from ((?:shm|workers)[\w.]*) c?import", path.read_text(), re.MULTILINE)
    }
    packages = {module for module in wanted if (CHECKOUT / module.replace(".", "/")).is_dir()}
    assert wanted - ours - packages == ELSEWHERE


def test_a_digest_follows_names_and_contents(tmp_path: Any) -> None:
    file = tmp_path / "one.pyx"
    file.write_text("a")
    before = digest_of([file])
    file.write_text("b")
    assert digest_of([file]) != before
    file.write_text("a")
    assert digest_of([file]) == before
