"""Protocols as a diff, and questions in SQL, in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import unified_diff as unified

import pytest
from playwright.sync_api import Page, expect

from server.effective import effective_source
from server.laws import laws
from server.sources import head_of, protocol_source, side_by_side, unified_diff
from workers.catalogue import PROTOCOLS


def test_two_protocols_are_laid_beside_each_other(page: Page) -> None:
    page.goto("/protocols")
    assert page.locator("article h2").all_inner_texts() == list(PROTOCOLS)
    page.get_by_label("From").select_option("has_cache")
    page.get_by_label("to", exact=True).select_option("swap_cache")
    page.get_by_role("button", name="Show the diff").click()
    expect(page.locator("h1")).to_have_text("has_cache to swap_cache")
    for bullet in ("Kernel", "Holder", "Loser", "Cost"):
        row = page.locator("table.design tr").filter(has_text=bullet).first
        assert row.locator("td").count() == 2
    shown = page.locator("table.diff .more td.new, table.diff .changed td.new").all_inner_texts()
    added = {line[1:].strip() for line in unified_diff("has_cache", "swap_cache") if line.startswith("+")}
    assert {text.strip() for text in shown} - {""} <= added | {text.strip() for text in shown if not text.strip()}
    page.get_by_role("link", name="Unified").click()
    assert "view=unified" in page.url
    expect(page.locator("table.diff")).to_contain_text("+++ b/workers/protocols/swap_cache.pyx")


def test_both_diffs_hold_the_whole_change() -> None:
    old, new = (effective_source(name).splitlines() for name in ("has_cache", "swap_cache"))
    rows = side_by_side("has_cache", "swap_cache", context=10_000)
    assert [row.old for row in rows if row.old is not None] == old
    assert [row.new for row in rows if row.new is not None] == new
    short = side_by_side("has_cache", "swap_cache")
    shown = sum(row.skipped if row.kind == "gap" else row.old is not None for row in short)
    assert shown == len(old)
    assert side_by_side("has_cache", "has_cache") == []


@pytest.mark.parametrize("source", [effective_source, protocol_source])
@pytest.mark.parametrize("before", ["has_cache", "has_cache_waitqueue"])
def test_the_patch_is_as_short_as_a_patch(before: str, source: Callable[[str], str]) -> None:
    """What swap_cache changes, as effective sources and as files: it can be read like the patch that it stands for."""
    old, new = (source(name).splitlines() for name in (before, "swap_cache"))
    changed = [line for line in unified(old, new, before, "swap_cache", lineterm="") if line[0] in "+-"]
    assert 50 < len(changed) < 200


def test_every_protocol_has_its_four_bullets_and_every_law_its_sentence() -> None:
    for name in PROTOCOLS:
        assert list(head_of(protocol_source(name)).bullets) == ["Kernel", "Holder", "Loser", "Cost"], name
    listed = laws()
    assert len(listed) >= 20
    assert all(entry.sentence.endswith(".") for entry in listed)
    assert all(entry.places for entry in listed), "every law is looked at somewhere"
    assert next(entry for entry in listed if entry.law == "C1").places["at rest"] == tuple(PROTOCOLS)


def test_a_question_is_asked_drawn_and_kept(page: Page) -> None:
    page.goto("/query")
    page.get_by_label("Statement").fill("SELECT run_id, protocol, p99_ns FROM v_runs WHERE p99_ns > 0")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("columnheader", name="p99_ns")).to_be_visible()
    assert page.locator("table.answer tbody tr").count() >= 16
    page.get_by_role("link", name="Chart").click()
    page.get_by_label("A line for each").select_option("protocol")
    page.get_by_role("button", name="Draw").click()
    expect(page.locator("svg.wide")).to_contain_text("has_cache")
    assert "series=protocol" in page.url
    with page.expect_download() as saved:
        page.get_by_role("link", name="CSV").click()
    assert saved.value.path().read_text().splitlines()[0] == "run_id,protocol,p99_ns"
    page.get_by_text("Keep this question").click()
    page.get_by_label("Name", exact=True).fill("tail_by_run")
    page.get_by_role("button", name="Keep").click()
    page.goto("/query")
    page.locator("li", has_text="tail_by_run").get_by_role("link").click()
    expect(page.get_by_role("columnheader", name="p99_ns")).to_be_visible()


def test_what_is_refused_is_told_above_the_rest_of_the_page(page: Page) -> None:
    page.goto("/query?sql=DELETE+FROM+runs")
    expect(page.get_by_role("alert")).to_contain_text(re.compile("not|only", re.IGNORECASE))
    assert page.get_by_label("Statement").input_value() == "DELETE FROM runs"
    expect(page.get_by_role("heading", name="Views")).to_be_visible()


def test_the_questions_of_the_documentation_all_have_answers(page: Page) -> None:
    page.goto("/query")
    links = [link.get_attribute("href") for link in page.locator(".questions a").all()]
    assert len(links) >= 12
    for link in links:
        answer = page.goto(str(link))
        assert answer is not None
        assert answer.status == 200, link
