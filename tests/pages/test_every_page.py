"""What holds for every page: no serious fault for those who cannot see or point, a phone's width, weight, paper."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.pages.addresses import PAGES, address

MAX_BYTES = 300_000  # of a page with all it loads, beside the plot library
PHONE = {"width": 360, "height": 740}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_serves_everybody(page: Page, ids: dict[str, int], name: str, check_access: Callable[..., None]) -> None:
    """One visit: weight, axe in light, contrast in dark, and the width of a phone, with every detail unfolded."""
    sizes: dict[str, int] = {}
    page.on("response", lambda response: sizes.update({response.url: len(response.body())}))
    page.goto(address(name, ids))
    page.wait_for_load_state("networkidle")
    assert [url for url in sizes if "plotly" in url] == [], "the plot library is loaded when it is needed"
    assert 1_000 < sum(sizes.values()) <= MAX_BYTES, sizes
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    check_access()
    page.emulate_media(color_scheme="dark")
    check_access("color-contrast")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_every_page_of_the_navigation_is_there(page: Page) -> None:
    page.goto("/")
    links = page.locator("header nav a")
    labels = links.all_inner_texts()
    assert labels == ["Runs", "Compare", "Explore", "Museum", "Timeline", "Protocols", "SQL", "Hosts", "Load"]
    for label in labels:
        page.goto("/")
        page.get_by_role("navigation", name="Pages").get_by_role("link", name=label, exact=True).click()
        current = page.locator("header nav [aria-current=page]")
        assert current.inner_text() == label
        assert page.locator("h1").count() == 1


def test_colours_are_chosen_and_kept(page: Page) -> None:
    page.goto("/runs?sort=id")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.get_by_role("link", name="Dark").click()
    dark = page.evaluate(paper)
    assert dark != light
    assert page.url.endswith("/runs?sort=id"), "with scripts the choice is kept, not written into the address"
    page.goto("/studies")
    assert page.evaluate(paper) == dark
    page.goto("/studies?theme=light")
    assert page.evaluate(paper) == light


def test_paper_is_white_and_without_controls(page: Page, ids: dict[str, int]) -> None:
    page.goto(address("run", ids) + "?theme=dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("header nav").is_visible()
    assert not page.locator(".toolbar").first.is_visible()


def test_nothing_moves_for_those_who_asked(page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.goto("/runs")
    moving = "[...document.querySelectorAll('*')].filter((e) => getComputedStyle(e).animationName !== 'none').length"
    assert page.evaluate(moving) == 0
