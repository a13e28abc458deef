"""`make screenshots`: every page over real runs, in light and dark, into docs/pages/ and docs/pages.md.

Measures first, for about a minute, into a database of its own: a race, a run of each kind, a calibration.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from server.store import Store
from tests.pages.serving import CHROMIUM, CHROMIUM_ARGS, ROOT, Site, serving

DOCUMENT = ROOT / "docs" / "pages.md"
FOLDER = ROOT / "docs" / "pages"
DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
TALLEST = 1_800  # px of a picture: what comes below repeats itself
QUIET = ("--json",)
LIVE_CELLS = 40  # of the strip of four CPUs: ten seconds

# name, title, address, what is to be seen
PAGES = (
    ("home", "Home", "/", "Two protocols, a scenario, Race; below it the newest comparison."),
    ("runs", "Runs", "/runs", "The filter, facets, columns, and the list as CSV and JSON."),
    ("new-run", "New run", "/runs/new?protocol=has_cache&cpus=4", "Everything that a run can be asked for."),
    ("live", "Live run", "/runs/{live}", "State, progress, throughput, p50 and p99, each CPU, waits; Cancel."),
    ("run", "Run", "/runs/{run}", "Figures, latency by percentile, waits, and the command that repeats it."),
    ("run-time", "Run, over time", "/runs/{run}?tab=time", "Throughput and latency by the second, each CPU."),
    ("violation", "Run that broke laws", "/runs/{broken}", "Each law with the interleaving that breaks it."),
    ("study", "Study", "/studies/{study}", "How far it is, and the way to its comparison."),
    ("compare", "Compare", "/comparisons/{comparison}", "The verdict in words, then the curve with rulers at 1/HZ."),
    ("explore", "Explore", "/explorations", "A race to explore, and what was explored: found, clean, exhausted."),
    ("finding", "Finding", "/explorations/{explored}", "The diagram of an interleaving, its law, and its replay."),
    ("museum", "Museum", "/museum", "Historical bugs, and how soon each strategy finds them."),
    ("exhibit", "Exhibit", "/museum/26", "One of them: its history, and how it goes wrong."),
    ("timeline", "Timeline", "/timeline/runs/{replay}?step=40", "One interleaving as lanes of CPUs, step by step."),
    ("protocols", "Protocols", "/protocols?a=has_cache&b=swap_cache", "Two protocols as a source diff."),
    ("sql", "SQL", "/query", "Read-only SQL over documented views."),
    ("hosts", "Hosts", "/hosts", "Machines, and the noise floor of each."),
    ("load", "Load", "/load", "How a load test is started, and those that are stored."),
)
ON_A_PHONE = ("home", "run", "compare")

HEAD = """# Pages

What `swaprace serve` shows at `http://127.0.0.1:8000`, over real runs of the machine that `make screenshots` ran on
last. Every page says by its address what it shows, works without scripts and without a mouse, and follows the system's
colours; Light and Dark at the top choose others, `?theme=dark` in an address does it for one page. Every plot has its
table, and its data as SVG, PNG and CSV.
"""


def swaprace(*words: str, database: Path, environment: dict[str, str]) -> None:
    """One command of the project on `database`; a law that is broken, or a regression, is what some are there for."""
    command = [sys.executable, "-m", "server.cli", *words, "--db", str(database)]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=False)
    assert done.returncode in (0, 3), f"{' '.join(command)} ended with {done.returncode}"


def measure(database: Path, environment: dict[str, str]) -> None:
    """Fill the database with real runs; of the comparisons, the race is the newest."""
    race = ("--cpus", "4", "--trials", "8", "--seconds", "0.6", "--allow-regression")
    commands = (
        ("run", "unsynchronized", "--executor", "cooperative", "--schedules", "300", "--laws", "every_unlock"),
        ("explore", "has_cache", "--scenario", "memcg_exit", "--seconds", "5"),
        ("explore", "swap_cache", "--scenario", "memcg_exit", "--seconds", "5"),
        ("explore", "swap_cache_as_posted", "--scenario", "memcg_exit"),
        ("calibrate", "--trials", "6", "--seconds", "0.5"),
        ("run", "has_cache", "--cpus", "4", "--seconds", "8"),
        ("compare", "has_cache", "swap_cache", *race),
    )
    for words in commands:
        swaprace(*words, *QUIET, database=database, environment=environment)


def stored_ids(store: Store) -> dict[str, int]:
    """What of the database the addresses name."""
    runs = store.list_runs(limit=200)[0]
    comparison = store.list_comparisons(limit=1)[0][0]
    assert comparison.study_id is not None
    return {
        "run": next(run.id for run in runs if run.spec.seconds == 8),
        "broken": next(run.id for run in runs if run.protocol == "unsynchronized"),
        "explored": store.list_explorations(limit=1)[0][0].id,
        "study": comparison.study_id,
        "comparison": comparison.id,
    }


def take(browser: Browser, site: Site, name: str, address: str, scheme: str, *, phone: bool = False) -> None:
    """One picture of a page, from its top, in the folder of the documentation."""
    context = browser.new_context(
        base_url=site.url,
        color_scheme=scheme,  # type: ignore[arg-type]
        viewport=PHONE if phone else DESK,  # type: ignore[arg-type]
    )
    page = context.new_page()
    answer = page.goto(address)
    assert answer is not None, address
    assert answer.status == 200, f"{address} answers {answer.status}"
    page.wait_for_load_state("load")
    height = min(TALLEST, max(page.evaluate("document.documentElement.scrollHeight"), 400))
    page.set_viewport_size({"width": (PHONE if phone else DESK)["width"], "height": height})
    page.screenshot(path=FOLDER / f"{name}{'-phone' if phone else ''}-{scheme}.png")
    context.close()


def replay(browser: Browser, site: Site, broken: int) -> int:
    """Have the page of a broken run replay its first violation; the id of the run that replays."""
    page = browser.new_page(base_url=site.url)
    page.goto(f"/runs/{broken}")
    page.get_by_role("button", name="Replay as a timeline").first.click()
    page.wait_for_selector("svg", timeout=60_000)
    number = int(page.url.split("/runs/")[1].split("?")[0])
    page.close()
    return number


def start_live(browser: Browser, site: Site) -> int:
    """Start a run from the form and wait until it has something to show; its id."""
    page = browser.new_page(base_url=site.url)
    page.goto("/runs/new?protocol=has_cache&cpus=4&seconds=300")
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_selector("#latencies svg", timeout=60_000)
    page.locator("#cpus svg.wide rect.cell").nth(LIVE_CELLS).wait_for(state="attached", timeout=120_000)
    number = int(page.url.rpartition("/")[2])
    page.close()
    return number


def take_all(browser: Browser, site: Site) -> None:
    """Every page in both schemes, some on a phone; the living run last, and cancelled."""
    ids = dict(site.ids)
    ids["replay"] = replay(browser, site, ids["broken"])
    ids["live"] = start_live(browser, site)
    try:
        for name, _title, address, _what in PAGES:
            for scheme in ("light", "dark"):
                take(browser, site, name, address.format(**ids), scheme)
                if name in ON_A_PHONE:
                    take(browser, site, name, address.format(**ids), scheme, phone=True)
    finally:
        site.store.cancel_run(ids["live"])


def document() -> str:
    """docs/pages.md: each page with its two pictures."""
    parts = [HEAD]
    for name, title, address, what in PAGES:
        path = address.partition("?")[0]
        parts.append(f"## {title}\n\n`{path}`: {what}\n")
        for scheme in ("light", "dark"):
            parts.append(f"![{title}, {scheme}](pages/{name}-{scheme}.png)\n")
        if name in ON_A_PHONE:
            parts.append(f"![{title}, on a phone](pages/{name}-phone-light.png)\n")
    return "\n".join(parts)


def main() -> None:
    """Measure, serve, take the pictures, write the document. An argument names a database to keep for the next time."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="swaprace-pages-") as folder:
        state = Path(folder)
        database = Path(sys.argv[1]) if len(sys.argv) > 1 else state / "results.db"
        environment = {**os.environ, "XDG_STATE_HOME": folder, "XDG_RUNTIME_DIR": folder}
        if not database.exists():
            measure(database, environment)
        with serving(database, state, stored_ids) as site, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
            take_all(browser, site)
            browser.close()
    DOCUMENT.write_text(document(), encoding="utf-8")


if __name__ == "__main__":
    main()
