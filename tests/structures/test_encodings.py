"""Every packed word: the picture in its .pxd file, and that nothing is lost on the way in and out."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shm import encoding as e

DEVICES = st.integers(0, 31)
OFFSETS = st.integers(0, (1 << 50) - 1)
PFNS = st.integers(1, (1 << 32) - 1)


def test_the_pictures() -> None:
    assert e.swp_entry(1, 0x234) == 1 << 58 | 0x234
    assert e.swp_entry(0, 0) == 0
    assert e.pfn_word(0x12345) == 0x48D16
    assert e.shadow_word(3) == 7
    assert e.shadow_word(0) == 0
    assert e.BAD_WORD == 0xFFFFFFFFFFFFFFF8
    assert e.present_pte(5, True) == 5 << 9 | 0b111
    assert e.present_pte(5, False) == 5 << 9 | 0b101
    assert e.swap_pte(e.swp_entry(1, 17), False) == 17 << 9 | 1 << 4 | 0b010
    assert e.swap_pte(e.swp_entry(1, 17), True) == 17 << 9 | 1 << 4 | 0b110


@pytest.mark.parametrize(
    ("byte", "expected"),
    [
        (0, (0, False, False)),
        (0x3E, (62, False, False)),
        (0x3F, (0, False, True)),
        (0x40, (0, True, False)),
        (0x41, (1, True, False)),
        (0x7E, (62, True, False)),
    ],
)
def test_the_byte_of_a_slot(byte: int, expected: tuple[int, bool, bool]) -> None:
    assert e.decode_map_byte(byte) == expected


@given(DEVICES, st.integers(0, (1 << 58) - 1))
def test_an_entry_keeps_device_and_offset(device: int, offset: int) -> None:
    entry = e.swp_entry(device, offset)
    assert entry < 1 << 63
    assert e.decode_swp_entry(entry) == (device, offset)


@given(PFNS)
@example(1)
@example((1 << 32) - 1)
def test_a_table_word_keeps_its_folio(pfn: int) -> None:
    assert e.decode_table_word(e.pfn_word(pfn)) == ("pfn", pfn)


@given(st.integers(0, (1 << 59) - 1), st.integers(0, 15))
@example((1 << 59) - 1, 15)
@example(0, 1)
@example(1, 0)
def test_a_table_word_keeps_its_shadow_and_its_count(shadow: int, count: int) -> None:
    word = e.shadow_word(shadow, count)
    assert e.decode_table_word(word) == (("shadow", shadow) if shadow or count else ("null", 0))
    assert e.table_count(word) == count


@given(PFNS, st.integers(0, 15))
def test_a_table_word_keeps_its_folio_and_its_count(pfn: int, count: int) -> None:
    word = e.pfn_word(pfn, count)
    assert e.decode_table_word(word) == ("pfn", pfn)
    assert e.table_count(word) == count


def test_worked_words_of_7_1() -> None:
    """The examples of the design: PFN 0x12345 cached with three references, and with none; swapped out once; bad."""
    assert e.pfn_word(0x12345, 3) == 0x3000000000048D16
    assert e.pfn_word(0x12345, 0) == 0x48D16
    assert e.shadow_word(0, 1) == 0x1000000000000001
    assert e.BAD_WORD == 0xFFFFFFFFFFFFFFF8
    assert e.table_count(e.BAD_WORD) == 0


@given(st.integers(0, (1 << 64) - 1))
@example(0)
@example(4)
@example(0xFFFFFFFFFFFFFFF8)
def test_a_table_word_is_one_thing(word: int) -> None:
    kind, value = e.decode_table_word(word)
    again = {"null": 0, "bad": e.BAD_WORD, "shadow": e.shadow_word(value, e.table_count(word))}
    if kind == "pfn" and (word & (1 << 60) - 1) >> 34 == 0:
        assert e.pfn_word(value, e.table_count(word)) == word
    elif kind in again and word != 1:  # a shadow without value and count is never written
        assert again[kind] == word
    elif kind == "unknown":
        assert word & 0b11 == 0
        assert word not in (0, e.BAD_WORD)


@given(DEVICES, OFFSETS.filter(bool), st.booleans())
def test_a_swap_pte_keeps_its_entry(device: int, offset: int, exclusive: bool) -> None:
    pte = e.swap_pte(e.swp_entry(device, offset), exclusive)
    assert e.decode_pte(pte) == ("swap", e.swp_entry(device, offset))
    assert pte & 4 == (4 if exclusive else 0)


@given(PFNS, st.booleans())
def test_a_present_pte_keeps_its_folio(pfn: int, write: bool) -> None:
    pte = e.present_pte(pfn, write)
    assert e.decode_pte(pte) == ("present", pfn)
    assert pte & 2 == (2 if write else 0)


def test_an_empty_pte_is_nothing() -> None:
    assert e.decode_pte(0) == ("none", 0)
    assert e.decode_pte(4) == ("unknown", 0)
    assert e.decode_pte(128) == ("poisoned", 0)


@given(st.integers(0, (1 << 41) - 1))
@example(255)
@example(256)
@example((1 << 41) - 1)
def test_a_bucket_knows_its_latency_within_a_hundred_and_twenty_eighth(ns: int) -> None:
    bucket = e.bucket_of(ns)
    lower, upper = e.bucket_lower(bucket), e.bucket_lower(bucket + 1)
    assert lower <= ns < upper
    assert upper - lower == 1 or (upper - lower) / lower <= 0.008


def test_buckets_follow_one_another_without_a_gap() -> None:
    lowers = [e.bucket_lower(bucket) for bucket in range(e.NR_BUCKETS)]
    assert lowers[0] == 0
    assert all(a < b for a, b in pairwise(lowers))
    assert [e.bucket_of(lower) for lower in lowers] == list(range(e.NR_BUCKETS))
    assert e.bucket_of((1 << 64) - 1) == e.NR_BUCKETS - 1
