"""A server over stored runs and a Chromium that looks at it, both once a session; a page for every test."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from axe_playwright_python.sync_playwright import Axe  # noqa: E402
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright  # noqa: E402

from server.cli.doctor_checks import missing_modules  # noqa: E402
from tests.pages.serving import CHROMIUM, CHROMIUM_ARGS, PATIENCE_SECONDS, Site, serving  # noqa: E402
from tests.pages.stored import fill  # noqa: E402

SERIOUS = ("serious", "critical")
DESK = {"width": 1280, "height": 800}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with stored runs; `site.store` is the store that it serves, `site.ids` tells what is stored."""
    folder = tmp_path_factory.mktemp("site")
    with serving(folder / "results.db", folder, fill) as site:
        yield site


@pytest.fixture(scope="session")
def ids(site: Site) -> dict[str, int]:
    """The ids of what is stored: study, comparison, sampled (a run with samples), invalid (one that broke a law)."""
    return site.ids


@pytest.fixture(scope="session", autouse=True)
def patience() -> None:
    """What is expected of a page may take its time on a machine that is busy with other tests."""
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def core() -> None:
    """The compiled core, for tests that have the server measure; they fail with a word on how to get it."""
    missing = missing_modules()
    if missing:
        pytest.fail(f"the core is not built, {', '.join(missing)} is missing: run `make setup`")


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained of on the page: errors of scripts, refusals of the CSP, failed requests."""
    return []


@pytest.fixture
def page(chromium: Browser, site: Site, complaints: list[str]) -> Iterator[Page]:
    """A page of its own context, whose addresses start at the server; the test fails when the browser complains."""
    context = chromium.new_context(base_url=site.url, color_scheme="light", viewport=DESK)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE_SECONDS * 1000)
    page = context.new_page()

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error" and not re.search(r"status of 4\d\d", message.text):
            complaints.append(message.text)

    page.on("console", on_console)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


@pytest.fixture
def check_access(page: Page) -> Callable[..., None]:
    """Asserts that axe finds no serious fault on the page as it is now; of the named rules only, where any is named."""

    def check(*rules: str) -> None:
        options: dict[str, Any] = {"resultTypes": ["violations"]}
        if rules:
            options["runOnly"] = {"type": "rule", "values": list(rules)}
        found = Axe().run(page, options=options).response["violations"]
        serious = [
            f"{each['id']}: {each['help']}: {[node['html'][:160] for node in each['nodes'][:4]]}"
            for each in found
            if each["impact"] in SERIOUS
        ]
        assert serious == []

    return check
