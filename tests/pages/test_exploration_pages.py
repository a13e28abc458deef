"""Explorations in a browser: asked for, watched, cancelled, and what was found looked at step by step."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.explorations.made import TOKEN, made_spec
from tests.pages.serving import Site, until
from workers.exhibits import EXHIBITS


def test_a_finding_is_shown_with_its_diagram_and_its_replay(page: Page, ids: dict[str, int]) -> None:
    page.goto(f"/explorations/{ids['exploration']}")
    expect(page.locator("pre.diagram")).to_contain_text("memcg1_swapout()")
    expect(page.locator("section.finding .code")).to_contain_text(f"swaprace replay {TOKEN}")
    expect(page.locator("section.finding")).to_contain_text("found by pct after 1,234 schedules")
    width = page.evaluate("getComputedStyle(document.querySelector('pre.diagram code')).whiteSpace")
    assert width == "pre", "columns stand below each other at any width"
    page.get_by_role("link", name="Step through it").click()
    expect(page.locator("h1")).to_contain_text(f"finding 1 of exploration {ids['exploration']}")
    page.wait_for_load_state("load")  # the script that listens to keys
    page.keyboard.press("ArrowRight")
    expect(page.locator(".where strong")).to_have_text("2")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".where strong")).to_have_text("1")
    page.locator("h1 a").click()
    expect(page.locator("h2#finding-1")).to_be_visible()


def test_a_clean_one_says_what_was_covered(page: Page, ids: dict[str, int]) -> None:
    page.goto(f"/explorations/{ids['covered']}")
    expect(page.locator(".badge.clean")).to_be_visible()
    expect(page.locator("main")).to_contain_text("exhausted: 100,000 executions")
    expect(page.locator("main")).to_contain_text("swaprace explore swap_cache --scenario memcg_exit")


def test_the_list_is_filtered(page: Page, ids: dict[str, int]) -> None:
    page.goto("/explorations")
    page.get_by_label("Filter", exact=True).fill("law:Q11")
    page.get_by_role("button", name="Filter").click()
    rows = page.get_by_role("region", name="Explorations").locator("tbody tr")
    expect(rows).to_have_count(1)
    rows.get_by_role("link", name=str(ids["exploration"]), exact=True).click()
    expect(page.locator("h1")).to_contain_text("swap_cache_as_posted, memcg_exit")


@pytest.mark.parametrize("with_scripts", [True, False])
@pytest.mark.usefixtures("core")
def test_an_exploration_is_started_from_the_form(page: Page, site: Site, with_scripts: bool) -> None:
    context = page.context.browser.new_context(  # type: ignore[union-attr]
        base_url=site.url, java_script_enabled=with_scripts
    )
    visited = context.new_page()
    visited.goto("/explorations?protocol=swap_cache_as_posted&scenario=memcg_exit")
    visited.get_by_label("Seed").fill("5" if with_scripts else "6")
    visited.get_by_role("button", name="Explore").click()
    number = int(visited.url.rpartition("/")[2])
    until(lambda: site.store.get_exploration(number).finished, "the exploration")
    assert site.store.get_exploration(number).state == "found", site.store.get_exploration(number).reason
    # Without scripts the page loads itself anew every two seconds until the exploration has ended.
    expect(visited.locator("pre.diagram").first).to_contain_text("memcg1_swapout()", timeout=15_000)
    expect(visited.get_by_role("link", name="Step through it").first).to_be_visible()
    context.close()


@pytest.mark.usefixtures("core")
def test_a_live_one_is_cancelled(page: Page, site: Site) -> None:
    kept = site.store.create_exploration(made_spec("swap_cache", strategy="random", seconds=600))
    until(lambda: site.store.get_exploration(kept.id).schedules > 0, "its first schedules")
    page.goto(f"/explorations/{kept.id}")
    expect(page.locator(".badge.running")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".badge.cancelled")).to_be_visible()
    assert until(lambda: site.store.get_exploration(kept.id).finished, "its end")


def test_a_wrong_field_is_told_beside_it(page: Page) -> None:
    page.goto("/explorations")
    page.get_by_label("Seconds").fill("-1")
    page.get_by_label("Seed").fill("one")
    page.get_by_role("button", name="Explore").click()
    expect(page.locator("#seconds-error")).to_contain_text("greater than 0")
    expect(page.locator("#seed-error")).to_contain_text("valid integer")
    assert page.get_by_label("Seed").input_value() == "one"


def test_the_museum_lists_every_exhibit_and_leads_to_each(page: Page) -> None:
    page.goto("/museum")
    rows = page.get_by_role("region", name="Exhibits").locator("tbody tr")
    expect(rows).to_have_count(len(EXHIBITS))
    title = EXHIBITS[26].title
    page.get_by_role("link", name=title).click()
    expect(page.locator("h1")).to_have_text(f"26. {title}")
    expect(page.locator("main")).to_contain_text("swaprace explore swap_cache_as_posted --scenario memcg_exit")
    page.get_by_role("link", name="Explore it here").click()
    expect(page.get_by_label("Protocol", exact=True)).to_have_value("swap_cache_as_posted")
    page.goto("/museum/999")
    expect(page.locator("main")).to_contain_text("There is no exhibit 999")
