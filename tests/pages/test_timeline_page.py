"""Stepping through an interleaving in a browser, and the replay of a finding made from its page."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.pages.serving import Site, until
from workers.spec import RunSpec


def step(page: Page) -> str:
    return page.locator("#timeline .where strong").inner_text()


def test_arrow_keys_step_and_the_address_follows(page: Page, ids: dict[str, int]) -> None:
    page.goto(f"/timeline/runs/{ids['traced']}")
    assert step(page) == "1"
    page.keyboard.press("ArrowRight")
    expect(page.locator(".where strong")).to_have_text("2")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".where strong")).to_have_text("3")
    assert "step=3" in page.url
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".where strong")).to_have_text("2")
    page.keyboard.press("End")
    expect(page.locator(".where strong")).to_have_text("14")
    page.keyboard.press("Home")
    expect(page.locator(".where strong")).to_have_text("1")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".where strong")).to_have_text("4")
    page.go_back()
    expect(page.locator(".where strong")).to_have_text("1")


def test_the_slot_and_those_who_hold_and_wait_stand_beside_the_lanes(page: Page, ids: dict[str, int]) -> None:
    page.goto(f"/timeline/runs/{ids['traced']}?step=3")
    facts = page.locator("section[aria-labelledby=slot]")
    expect(facts).to_contain_text("shadow")
    page.goto(f"/timeline/runs/{ids['traced']}?step=10")
    expect(facts).to_contain_text("pfn 8")
    expect(facts).to_contain_text("count 1 + HAS_CACHE")
    going_on = page.locator("section[aria-labelledby=going-on]")
    expect(going_on).to_contain_text("cpu1 waits for folio lock")
    expect(going_on).to_contain_text("cpu0 holds folio 8")
    expect(page.locator("tr.now")).to_contain_text("folio 8 flags")


def test_a_step_is_clicked_in_the_lanes_and_works_without_scripts(page: Page, ids: dict[str, int]) -> None:
    page.goto(f"/timeline/runs/{ids['traced']}?step=1")
    page.locator("svg.wide a[aria-label='Step 6']").click()
    expect(page.locator(".where strong")).to_have_text("6")
    plain = page.context.browser.new_context(java_script_enabled=False)  # type: ignore[union-attr]
    still = plain.new_page()
    still.goto(page.url)
    still.get_by_role("link", name="Forward").click()
    assert still.locator(".where strong").inner_text() == "7"
    plain.close()


def test_a_finding_is_replayed_from_the_page(page: Page, site: Site) -> None:
    asked = RunSpec.model_validate(
        {"protocol": "unsynchronized", "executor": "cooperative", "seed": 3, "cooperative": {"schedules": 500}}
    )
    run = site.store.create_run(asked)
    until(lambda: site.store.get_run(run.id).finished, "the exploration")
    page.goto("/timeline")
    replay = page.locator(f'form:has(input[name=run][value="{run.id}"]) button').first
    replay.click()
    expect(page.locator("#timeline")).to_be_visible()
    expect(page.locator("#timeline")).to_contain_text("the replay of one schedule")
    expect(page.locator(".notice.bad").first).to_be_visible()
    expect(page.locator("table.steps")).to_contain_text("workers/operations/fault.pyx:access_page")
    first = page.url
    page.goto("/timeline")
    replay.click()
    expect(page.locator("#timeline")).to_be_visible()
    assert page.url == first, "the same finding is replayed once"


def test_a_run_without_a_timeline_says_how_to_get_one(page: Page, ids: dict[str, int]) -> None:
    page.goto(f"/timeline/runs/{ids['sampled']}")
    expect(page.locator("main")).to_contain_text("--timeline")
