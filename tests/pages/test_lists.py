"""Lists: what the address says is what is shown, and no broken row stops them."""

from __future__ import annotations

import csv
import io
import re

from playwright.sync_api import Page, expect

from server.charts.svg import STYLE
from tests.pages.serving import Site
from tests.pages.stored import broken_row


def test_the_address_holds_filter_order_and_columns(page: Page, ids: dict[str, int]) -> None:
    page.goto("/runs")
    page.get_by_role("searchbox", name="Filter").fill(f"study:{ids['study']}")
    page.keyboard.press("Enter")
    page.locator(".facet", has_text="protocol").get_by_role("link", name="has_cache").click()
    page.get_by_role("columnheader", name="p99", exact=True).get_by_role("link").click()
    page.locator("#columns summary").click()
    page.locator("#columns").get_by_role("link", name="arm", exact=True).click()
    page.wait_for_url(re.compile("columns="))
    address = page.url
    assert re.search(r"filter=study%3A\d+\+protocol%3Ahas_cache", address)
    assert "sort=-p99_ns" in address
    rows = page.locator("table.data tbody tr")
    expect(rows).to_have_count(8)
    first = rows.first.locator("th").inner_text()
    page.goto("/")
    page.goto(address)
    expect(rows.first.locator("th")).to_have_text(first)
    expect(page.get_by_role("columnheader", name="p99", exact=True)).to_have_attribute("aria-sort", "descending")
    expect(page.get_by_role("columnheader", name="arm", exact=True)).to_be_visible()


def test_a_wrong_filter_says_where_and_what_would_be_right(page: Page) -> None:
    answer = page.goto("/runs?filter=state:failed+cpus>=many")
    assert answer is not None
    assert answer.status == 422
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("column")
    expect(alert).to_contain_text("cpus>=8")


def test_the_list_as_csv_is_the_list(page: Page, ids: dict[str, int]) -> None:
    page.goto(f"/runs?filter=study:{ids['study']}&sort=id")
    shown = page.locator("table.data tbody th a").all_inner_texts()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    assert [row["run_id"] for row in rows] == shown


def test_one_broken_row_breaks_no_list(page: Page, site: Site, ids: dict[str, int]) -> None:
    page.goto("/runs")
    before = page.locator("table.data tbody th").all_inner_texts()
    broken = site.store.study_runs(ids["study"])[0].id
    with broken_row(site.store, broken):
        answer = page.goto("/runs")
        assert answer is not None
        assert answer.status == 200
        assert page.locator("table.data tbody th").all_inner_texts() == before
        expect(page.locator("tr.broken").last).to_contain_text(f"Run {broken}: its metrics cannot be read")


def test_a_plot_is_saved_as_svg_png_and_csv(page: Page, ids: dict[str, int]) -> None:
    page.goto(f"/runs/{ids['sampled']}?tab=time")
    saved = {}
    for kind in ("SVG", "PNG", "CSV"):
        with page.expect_download() as download:
            page.locator("#throughput").get_by_role("link", name=kind).click()
        assert download.value.suggested_filename == f"throughput.{kind.lower()}"
        saved[kind] = download.value.path().read_bytes()
    assert saved["SVG"].startswith(b"<svg xmlns=")
    assert STYLE.read_text(encoding="utf-8")[:60].encode() in saved["SVG"]
    assert saved["PNG"].startswith(b"\x89PNG")
    assert len(saved["PNG"]) > 5_000
    rows = list(csv.DictReader(io.StringIO(saved["CSV"].decode())))
    assert [float(row["throughput_ops_s"]) for row in rows] == [100_000.0] * len(rows)
    page.locator("#throughput summary").click()
    assert page.locator("#throughput tbody tr").count() == len(rows)


def test_samples_are_zoomed_into(page: Page, ids: dict[str, int], complaints: list[str]) -> None:
    """Only then is the plot library loaded; its one complaint is a style of maps that the CSP refuses."""
    page.goto(f"/runs/{ids['sampled']}?tab=time")
    assert page.evaluate("typeof window.Plotly") == "undefined"
    figure = page.locator("#latencies")
    figure.get_by_role("button", name="Zoom").click()
    expect(figure.locator(".zoomed .main-svg").first).to_be_visible()
    assert figure.locator(".zoomed .scatterlayer .trace").count() == 2
    expect(figure.locator("svg.drawing.wide")).to_be_hidden()
    figure.get_by_role("button", name="Back to the drawing").click()
    expect(figure.locator("svg.drawing.wide")).to_be_visible()
    assert [told for told in complaints if "Applying inline style" not in told] == []
    complaints.clear()
