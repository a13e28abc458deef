"""Comparing in a browser: the verdict first, every plot with its figures, two arms chosen, a comparison kept."""

from __future__ import annotations

import csv
import io
import re
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Page, expect

PLOTS = ("percentiles", "waits", "forest", "pairs", "ecdf")


def test_the_verdict_in_words_comes_before_the_first_picture(page: Page, ids: dict[str, int]) -> None:
    page.goto(f"/comparisons/{ids['comparison']}")
    lead = page.locator(".verdict-lead")
    expect(lead).to_contain_text(re.compile(r"improved: new (takes|does) "))
    top = lead.bounding_box()
    picture = page.locator("#chart-percentiles svg.wide").bounding_box()
    assert top is not None
    assert picture is not None
    assert top["y"] < picture["y"]
    assert page.locator("#chart-percentiles svg.narrow").is_hidden()


@pytest.mark.parametrize("name", PLOTS)
def test_every_plot_has_its_table_csv_svg_and_png(page: Page, ids: dict[str, int], name: str) -> None:
    page.goto(f"/comparisons/{ids['comparison']}")
    figure = page.locator(f"#chart-{name}")
    figure.locator("summary").click()
    assert figure.locator("tbody tr").count() >= 2
    with page.expect_download() as saved:
        figure.get_by_role("link", name="CSV").click()
    rows = list(csv.reader(io.StringIO(saved.value.path().read_text())))
    assert len({len(row) for row in rows}) == 1
    assert len(rows) > 2
    with page.expect_download() as saved:
        figure.get_by_role("link", name="SVG").click()
    assert ElementTree.fromstring(saved.value.path().read_text()).tag == "{http://www.w3.org/2000/svg}svg"
    with page.expect_download() as saved:
        figure.get_by_role("link", name="PNG").click()
    picture = saved.value.path().read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(picture[16:20]) == 1920, "twice the drawing"
    assert len(picture) > 10_000


def test_two_arms_of_a_study_are_chosen_by_the_keyboard(page: Page, ids: dict[str, int]) -> None:
    page.goto("/compare")
    page.get_by_label("Study").fill(str(ids["study"]))
    page.keyboard.press("Enter")
    page.get_by_label("Baseline", exact=True).select_option("new")
    page.get_by_label("Candidate", exact=True).select_option("old")
    page.get_by_label("Candidate", exact=True).press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("old against new")
    assert f"study={ids['study']}" in page.url
    expect(page.locator(".verdicts")).to_contain_text("regressed")


def test_a_comparison_is_kept_once(page: Page, ids: dict[str, int]) -> None:
    addresses = set()
    for _ in range(2):
        page.goto(f"/compare?study={ids['study']}&baseline=new&candidate=old")
        page.get_by_role("button", name="Keep this comparison").click()
        page.wait_for_url(re.compile(r"/comparisons/\d+$"))
        addresses.add(page.url)
    assert len(addresses) == 1
    expect(page.locator("h1")).to_have_text("old against new")


def test_lists_of_runs_are_compared_and_a_bad_one_is_told(page: Page, ids: dict[str, int]) -> None:
    page.goto("/compare?baseline_runs=1,4&candidate_runs=2-3")
    expect(page.locator("h1")).to_have_text("swap_cache against has_cache")
    expect(page.locator(".verdicts")).to_contain_text("inconclusive")
    answer = page.goto("/compare?baseline_runs=1&candidate_runs=two")
    assert answer is not None
    assert answer.status == 422
    expect(page.locator("main")).to_contain_text("write ids of runs")
    answer = page.goto("/compare?baseline_runs=1&candidate_runs=999999")
    assert answer is not None
    assert answer.status == 404


def test_a_run_of_another_kind_is_not_compared(page: Page, ids: dict[str, int]) -> None:
    page.goto(f"/compare?baseline_runs=1&candidate_runs={ids['sampled']}")
    expect(page.locator(".verdict-lead")).to_contain_text("cannot be compared: the runs differ in config.seconds")


def test_on_paper_the_wide_picture_stands_and_tables_open(page: Page, ids: dict[str, int]) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto(f"/comparisons/{ids['comparison']}")
    assert page.locator("#chart-percentiles svg.narrow").is_visible()
    page.emulate_media(media="print")
    assert page.locator("#chart-percentiles svg.wide").is_visible()
    assert not page.locator("#chart-percentiles svg.narrow").is_visible()
