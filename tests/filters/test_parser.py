"""The grammar: what a text means, and what is said of one that means nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.filters import COMPARISONS, EXPLORATIONS, LOADS, RUNS, STUDIES, FilterError, Order, parse, parse_sort
from server.filters.compile import like_pattern
from server.filters.tree import Any, Every, Node, Not, Pattern, Test, Words
from server.filters.values import period

A, B, C = Words("a"), Words("b"), Words("c")


def is_(field: str, value: str | float) -> Test:
    return Test(field, "=", value)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", Every(())),
        ("  ", Every(())),
        ("a b", Every((A, B))),
        ("a AND b OR c", Any((Every((A, B)), C))),
        ("a OR b c", Any((A, Every((B, C))))),
        ("NOT a b", Every((Not(A), B))),
        ("-a OR -(b c)", Any((Not(A), Not(Every((B, C)))))),
        ("NOT NOT a", Not(Not(A))),
        ("(a)", A),
        ('"a OR b"', Words("a OR b")),
        (r'"say \"a\" \\ b"', Words(r'say "a" \ b')),
        ("one-two", Words("one-two")),
        ("protocol:swap_cache", is_("protocol", "swap_cache")),
        ("protocol=swap_cache", is_("protocol", "swap_cache")),
        ("protocol!=swap_cache", Not(is_("protocol", "swap_cache"))),
        ("protocol:swap_*", Pattern("protocol", "swap_*")),
        ('protocol:"swap_*"', is_("protocol", "swap_*")),
        ("protocol:(swap_cache OR has_cache)", Any((is_("protocol", "swap_cache"), is_("protocol", "has_cache")))),
        ("cpus:(2 OR >=8)", Any((is_("cpus", 2), Test("cpus", ">=", 8)))),
        ("cpus:(NOT 2)", Not(is_("cpus", 2))),
        ("-host:lab3", Not(is_("host", "lab3"))),
        ("cpus:2..8", Every((Test("cpus", ">=", 2), Test("cpus", "<=", 8)))),
        ("p99_ns:..1ms", Every((Test("p99_ns", "<=", 1_000_000),))),
        ("p99_ns<200us", Test("p99_ns", "<", 200_000)),
        ("p99_ns<1.5µs", Test("p99_ns", "<", 1_500)),
        ("p99_ns >= 4 ", Test("p99_ns", ">=", 4)),
        ("throughput_ops_s>1.5M", Test("throughput_ops_s", ">", 1_500_000)),
        ("seconds<=500ms", Test("seconds", "<=", 0.5)),
        ("created>=2026-11-23T06:30", Test("created", ">=", "2026-11-23T06:30:00.000000Z")),
        ("created>2026-11-23", Test("created", ">=", "2026-11-24T00:00:00.000000Z")),
        (
            "created:2026-02",
            Every(
                (
                    Test("created", ">=", "2026-02-01T00:00:00.000000Z"),
                    Test("created", "<", "2026-03-01T00:00:00.000000Z"),
                )
            ),
        ),
    ],
)  # fmt: skip
def test_what_a_filter_means(text: str, tree: Node) -> None:
    assert parse(text, RUNS) == tree


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("protcol:x", 1, "did you mean protocol?"),
        ("a nosuch<3", 3, "there is no field 'nosuch'"),
        ("cpus>=", 7, "cpus>= lacks its value; write cpus>=8"),
        ("a (b", 3, "not closed"),
        ("a)", 2, "closes nothing"),
        ("a ()", 3, "nothing stands in these brackets"),
        ("state:gone", 7, "state is never 'gone'; write state:value, where the value is one of queued"),
        ("state<failed", 7, "not less or more"),
        ("p99_ns<5kg", 8, "'kg' is no unit here, ns, us"),
        ("p99_ns<fast", 8, "no number"),
        ("cpus:1.5", 6, "cpus is a whole number"),
        ("cpus:2..", None, ""),
        ("cpus:..", 6, "no end"),
        ("cpus<2..4", 6, "a range takes no < or >"),
        ("cpus:99999999999999999999", 6, "is more than"),
        ("age:2h", 5, "never exact"),
        ("age<2", 5, "lacks its unit: s, m, h, d, w"),
        ("created:2026-13", 9, "no moment"),
        ("created:9999", 9, "no moment"),
        ("created>soon", 9, "no moment; write created:2026-11-23"),
        ('protocol:"swap', 10, "this quote is not closed"),
        ("a AND", 6, "the end stands where a term is due"),
        ("OR a", 1, "'OR' stands where a term is due"),
        ('""', 1, "an empty text"),
        ("=5", 1, "where a term is due"),
        ("a\x00b", 2, "control character"),
        ("a" * 2001, 2001, "too long"),
        ("(" * 31 + "a" + ")" * 31, 31, "nested too deeply"),
        ("NOT " * 31 + "a", 121, "nested too deeply"),
        ("a " * 101, 201, "too many terms"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, column: int | None, words: str) -> None:
    if column is None:
        parse(text, RUNS)
        return
    with pytest.raises(FilterError) as refused:
        parse(text, RUNS)
    assert refused.value.column == column, refused.value
    assert words in str(refused.value)
    assert refused.value.pointed().splitlines()[1].index("^") == column - 1


@given(st.text(alphabet=st.sampled_from('abc019 :<>=!()"-*.\\TZ\n'), max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text, RUNS)
    except FilterError as error:
        column = error.column
    else:
        column = 1
    assert 1 <= column <= len(text) + 1


@given(st.datetimes().map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")))
def test_a_moment_is_within_every_period_that_names_it(text: str) -> None:
    for length in (4, 7, 10, 13, 16, 19):
        try:
            start, end = period(text[:length])
        except ValueError:
            assert text.startswith(("0000", "9999"))
            continue
        assert start <= f"{text}.000000Z" < end


@given(st.text(alphabet="ab*%_\\", max_size=8), st.text(alphabet="ab%_\\", max_size=8))
def test_a_glob_becomes_a_pattern_of_like(glob: str, text: str) -> None:
    """Against a regular expression made of the same glob, where LIKE is one made of the pattern."""
    wanted, got = [], []
    characters = iter(glob)
    for character in characters:
        said = next(characters, "\\") if character == "\\" else character
        wanted.append(".*" if character == "*" else re.escape(said))
    characters = iter(like_pattern(glob))
    for character in characters:
        got.append(
            {"%": ".*", "_": "."}.get(character) or re.escape(next(characters) if character == "\\" else character)
        )
    assert bool(re.fullmatch("".join(wanted), text)) == bool(re.fullmatch("".join(got), text))


def test_sorts() -> None:
    assert parse_sort("-p99_ns", RUNS) == Order("p99_ns", down=True)
    assert parse_sort("created", STUDIES) == Order("created", down=False)
    for text, words in (
        ("-p98_ns", "did you mean"),
        ("", "there is no field ''"),
        ("law", "law is no order"),
        ("-age", "sort by"),
    ):
        with pytest.raises(FilterError, match=re.escape(words)):
            parse_sort(text, RUNS)


def test_every_field_is_documented_and_its_example_is_right(checkout: Path) -> None:
    page = (checkout / "docs" / "filters.md").read_text()
    lists = {
        "runs": RUNS,
        "studies": STUDIES,
        "comparisons": COMPARISONS,
        "load tests": LOADS,
        "explorations": EXPLORATIONS,
    }
    for heading, of in lists.items():
        section = page.split(f"## Fields of {heading}")[1].split("\n## ")[0]
        rows = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", section, re.MULTILINE))
        assert rows == {field.name: field.meaning for field in of.fields.values()}
        searched = re.search(r"looked for in (.*?)\.\n", section, re.DOTALL)
        assert searched is not None
        assert tuple(re.findall(r"`(\w+)`", searched[1])) == of.searched
        for field in of.fields.values():
            for term in re.split(r", (?=\w+[:<>])| or (?=\w+[:<>])", field.example.split(", where")[0]):
                parse(term.replace(":value", f":{field.choices[0]}") if field.choices else term, of)


def test_the_examples_of_the_page_are_right(checkout: Path) -> None:
    page = (checkout / "docs" / "filters.md").read_text()
    table = page.split("| write | for |")[1].split("\n\n")[0]
    terms = [
        term
        for row in table.splitlines()
        if row.startswith("| `")
        for term in re.findall(r"`([^`]+)`", row.split("|")[1])
    ]
    assert len(terms) > 10
    for term in terms:
        if term != "( )":
            parse(term, RUNS)
