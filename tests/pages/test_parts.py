"""Parts of pages that need no browser: forms, samples, filters in addresses, errors as pages, who may send a form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from pydantic import ValidationError

from server import create_app
from server.api.common import EXTENSION
from server.charts.series import rounded_up
from server.config import Settings
from server.pages.assets import PLOTLY
from server.pages.columns import COLUMNS, USUAL, chosen, toggled
from server.pages.filters import ago_text, bytes_text
from server.pages.forms import errors_of, form_groups, read_form, spec_fields, values_of_spec
from server.pages.frame import NAVIGATION
from server.pages.progress import MOST_POINTS, Moment, moments, thinned
from server.pages.runs import with_term
from server.schemas import Sample
from tests.pages.screenshots import DOCUMENT, FOLDER, document
from tests.pages.stored import sample
from workers.spec import RunSpec

PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SAME = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[FlaskClient]:
    """A client of an application over an empty database."""
    app = create_app(Settings(database=str(tmp_path / "results.db")))
    yield app.test_client()
    app.extensions[EXTENSION].store.close()


def test_the_form_asks_for_every_field_once() -> None:
    flat = set(values_of_spec(RunSpec(protocol="swap_cache")))
    asked = [field.name for group in form_groups({}, {}) for field in group.fields]
    assert len(asked) == len(set(asked))
    assert set(asked) == flat
    assert "device.read_ns" in flat


def test_what_the_form_shows_of_a_spec_is_read_as_that_spec() -> None:
    spec = RunSpec.model_validate(
        {
            "protocol": "has_cache",
            "scenario": "mix",
            "mix": {"load": 3, "reclaim": 1},
            "hz": 1000,
            "seconds": 0.25,
            "lockdep": True,
            "device": {"kind": "disk", "queue_depth": 4},
            "memcg": {"limit_pages": 64, "children": 3},
            "inject": {"charge": 1_000, "device_slow": 0},
            "anon_orders": [2, 4],
            "shmem": {"orders": [1]},
            "more_devices": [{"kind": "disk", "priority": 1}],
        }
    )
    assert RunSpec.model_validate(read_form(values_of_spec(spec))) == spec


def test_errors_are_told_by_field() -> None:
    with pytest.raises(ValidationError) as refused:
        RunSpec.model_validate(
            read_form({"protocol": "has_cache", "cpus": "many", "device.read_ns": "-1", "mix": "{", "hz": "7"})
        )
    told = errors_of(refused.value)
    assert set(told) == {"cpus", "device.read_ns", "mix", "hz"}
    groups = {group.title: group.open for group in form_groups({}, told)}
    assert groups["Device"]
    assert not groups["Memory"]
    assert {field.name for field in spec_fields()} > {"seconds", "memcg.version"}


def test_a_rate_of_failures_is_a_field_with_errors_of_its_own() -> None:
    with pytest.raises(ValidationError) as refused:
        RunSpec.model_validate(
            read_form({"protocol": "has_cache", "inject.charge": "1000001", "inject.lock_delay": "5 %"})
        )
    told = errors_of(refused.value)
    assert set(told) == {"inject.charge", "inject.lock_delay"}
    assert "less than or equal to 1000000" in told["inject.charge"][0]
    assert next(group for group in form_groups({}, told) if group.title == "Injected failures").open
    assert RunSpec.model_validate(read_form({"protocol": "has_cache", "inject.charge": " "})).inject == {}


def test_a_moment_is_what_came_between_two_samples() -> None:
    told = moments([Sample(at_ns=n, figures=sample(n)) for n in (1, 2, 4)])
    assert [each.seconds for each in told] == [1.0, 2.0, 4.0]
    assert [each.throughput_ops_s for each in told] == [100_000.0] * 3
    assert told[-1].cpu_rates == [60_000.0, 40_000.0]
    assert told[-1].waits == {"tick_sleep": pytest.approx(0.15), "device": pytest.approx(0.1)}
    assert moments([Sample(at_ns=1, figures={"schedules": 3})]) == []


def test_a_long_line_is_thinned_and_keeps_its_end() -> None:
    told = [Moment(float(n), None, None, None, None) for n in range(3_600)]
    kept = thinned(told)
    assert len(kept) <= MOST_POINTS
    assert kept[-1] is told[-1]
    assert thinned(told[:5]) == told[:5]


def test_a_facet_takes_the_place_of_its_own_term_alone() -> None:
    assert with_term("", "state", "state:failed") == "state:failed"
    assert with_term("state:queued cpus>=2", "state", "state:failed") == "cpus>=2 state:failed"
    assert with_term("state:(queued OR failed) cpus>=2", "protocol", None) == "state:(queued OR failed) cpus>=2"
    assert with_term("state:failed", "state", None) is None


def test_columns_are_put_in_and_taken_out() -> None:
    usual, unknown = chosen(None)
    assert ([column.name for column in usual], unknown) == (list(USUAL), [])
    with_arm = toggled(usual, "arm")
    assert with_arm is not None
    columns, _ = chosen(with_arm)
    assert {column.name for column in columns} == {*USUAL, "arm"}
    assert toggled(columns, "arm") is None, "the usual ones need no word in the address"
    assert chosen("state,nope") == ([COLUMNS["state"]], ["nope"])


def test_words_of_times_and_sizes() -> None:
    now = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
    assert ago_text("2026-11-23T06:59:55.500000Z", now) == "4 s ago"
    assert ago_text("2026-11-21T06:00:00.000000Z", now) == "2 d ago"
    assert ago_text(None) == "-"
    assert bytes_text(3 << 20) == "3 MiB"
    assert [rounded_up(value) for value in (0, 0.3, 24, 25, 90)] == [1.0, 0.5, 25.0, 25.0, 100.0]


def test_an_error_is_a_page_for_a_browser_and_a_document_for_a_program(client: FlaskClient) -> None:
    page = client.get("/runs/7", headers=PAGE)
    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert "there is no run 7" in page.text.lower()
    assert client.get("/runs/7").mimetype == "application/problem+json"
    assert client.get("/api/v1/runs/7", headers=PAGE).mimetype == "application/problem+json"
    refused = client.get("/runs?limit=3", headers=PAGE)
    assert (refused.status_code, refused.mimetype) == (422, "text/html")
    assert "<code>limit</code>" in refused.text


def test_forms_come_from_our_pages_alone(client: FlaskClient) -> None:
    form = {"protocol": "swap_cache"}
    assert client.post("/runs/new", data=form).status_code == 403
    assert client.post("/runs/new", data=form, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.post("/runs/new", data=form, headers={"Origin": "http://evil.example"}).status_code == 403
    assert client.post("/runs/new", json=form, headers=SAME).status_code == 415
    assert client.post("/runs/new", data=form, headers={"Origin": "http://localhost"}).status_code == 303
    answer = client.post("/runs/new", data={**form, "program": "sh"}, headers=SAME)
    assert (answer.status_code, "program" in answer.text) == (422, True)
    assert len(client.get("/api/v1/runs").get_json()["items"]) == 1


def test_no_page_holds_a_script_or_a_style_of_its_own(client: FlaskClient) -> None:
    client.post("/runs/new", data={"protocol": "swap_cache"}, headers=SAME)
    for path in ("/", "/runs", "/runs/new", "/runs/1", "/studies", "/hosts", "/load"):
        page = client.get(path, headers=PAGE).text
        assert " style=" not in page, path
        assert "<style" not in page, path
        assert " onclick=" not in page, path
        assert "<script>" not in page, path
        assert "//" not in page.replace("http://www.w3.org", "").replace("http://127.0.0.1:8000", ""), path


def test_the_plot_library_comes_from_the_installed_package(client: FlaskClient) -> None:
    with client.get(PLOTLY) as answer:
        assert answer.mimetype == "text/javascript"
        assert len(answer.data) > 1_000_000
        assert "max-age=31536000" in answer.headers["Cache-Control"]


def test_the_document_shows_every_page_and_its_pictures_are_there() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == document(), "run make screenshots"
    shown = set(re.findall(r"\(pages/([\w-]+\.png)\)", text))
    assert shown <= {path.name for path in FOLDER.glob("*.png")}
    for _label, url, others in NAVIGATION:
        assert re.search(rf"^`({'|'.join((url, *others))})(/[^`]*)?`: ", text, re.MULTILINE), url
