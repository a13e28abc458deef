"""A run from the form to its result, in a browser: launched, watched, cancelled; by keyboard and without scripts."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.pages.serving import PATIENCE_SECONDS, Site

PATIENCE_MS = PATIENCE_SECONDS * 1000


@pytest.mark.usefixtures("core")
def test_a_run_is_launched_watched_and_looked_at(page: Page) -> None:
    page.goto("/runs/new")
    page.get_by_label("protocol").select_option("has_cache")
    page.get_by_label("CPUs").fill("2")
    page.get_by_label("seconds").fill("3.5")
    page.get_by_role("button", name="Run").click()
    page.wait_for_url(re.compile(r"/runs/\d+$"))
    expect(page.get_by_role("status")).to_contain_text("running", timeout=PATIENCE_MS)
    drawing = page.locator("#latencies svg.wide")
    expect(drawing).to_be_visible(timeout=PATIENCE_MS)
    expect(drawing).to_have_attribute("aria-label", re.compile(r"p99 \d"))
    assert page.locator("#cpus svg.wide rect.cell").count() >= 4
    expect(page.locator("main")).to_contain_text("the run is through", timeout=PATIENCE_MS)
    expect(page.locator(".tile", has_text="throughput").locator("dd")).to_have_text(re.compile(r"\d.*/s"))
    expect(page.locator("#latency svg.wide")).to_be_visible()
    page.get_by_role("link", name="Over time").click()
    expect(page.locator("#throughput svg.wide")).to_be_visible()


@pytest.mark.usefixtures("core")
def test_a_living_run_is_cancelled(page: Page) -> None:
    page.goto("/runs/new?protocol=swap_cache&seconds=50")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("status")).to_contain_text("running", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".notice")).to_contain_text("cancelled", timeout=PATIENCE_MS)


def test_errors_stand_beside_their_fields(page: Page, site: Site) -> None:
    newest = site.store.list_runs(limit=1)[0][0].id
    page.goto("/runs/new?protocol=swap_cache")
    page.get_by_label("CPUs").fill("many")
    page.get_by_label("trace").fill("cc1")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("alert")).to_contain_text("Not queued")
    cpus = page.get_by_label("CPUs")
    expect(cpus).to_have_attribute("aria-invalid", "true")
    expect(cpus).to_have_value("many")
    described = cpus.get_attribute("aria-describedby") or ""
    assert "valid integer" in page.locator(f"#{described.split()[-1]}").inner_text()
    cpus.fill("2")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("alert")).to_contain_text("'trace' belongs to scenario trace")
    cpus.fill("65")
    page.get_by_label("trace").fill("")
    page.get_by_role("button", name="Run").click()
    expect(cpus.locator("xpath=..")).to_contain_text("less than or equal to 64")
    assert site.store.list_runs(limit=1)[0][0].id == newest


@pytest.mark.usefixtures("core")
def test_a_race_by_keyboard_alone(page: Page) -> None:
    """From the first page to the verdict without a pointer: Tab, arrows, Enter."""
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    for label, value in (("Baseline", "has_cache"), ("Candidate", "swap_table"), ("Scenario", "thread_fault")):
        page.keyboard.press("Tab")
        choice = page.get_by_label(label, exact=True)
        expect(choice).to_be_focused()
        page.keyboard.press("Home")
        for _ in range(choice.locator("option").count()):
            if choice.input_value() == value:
                break
            page.keyboard.press("ArrowDown")
        expect(choice).to_have_value(value)
    for value in ("2", "0.2", "2"):
        page.keyboard.press("Tab")
        page.keyboard.press("Control+a")
        page.keyboard.type(value)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/studies/\d+$"))
    compare = page.get_by_role("link", name="Compare swap_table against has_cache")
    expect(compare).to_be_visible(timeout=PATIENCE_MS)
    for _ in range(30):
        page.keyboard.press("Tab")
        if compare.evaluate("(link) => link === document.activeElement"):
            break
    expect(compare).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/compar"))
    expect(page.locator("h1")).to_contain_text("swap_table")


@pytest.mark.usefixtures("core")
def test_a_run_without_scripts(chromium: Browser, site: Site) -> None:
    """Launched, refreshed by the browser itself, and looked at: no script of ours runs."""
    context = chromium.new_context(base_url=site.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/runs/new?protocol=swap_cache&seconds=0.5")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("main")).to_contain_text("the run is through", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Run again").click()
    page.wait_for_url(re.compile(r"/runs/\d+$"))
    expect(page.locator("main")).to_contain_text("Retries run", timeout=PATIENCE_MS)
    context.close()
