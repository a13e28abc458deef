"""docs/api.md and docs/settings.md say what the code does, no more and no less."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from server.config import PREFIX, Settings, SettingsError, default_database, load_settings
from server.states import STATES

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_every_operation_is_documented(client: FlaskClient) -> None:
    document = client.get("/openapi.json").get_json()
    operations = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    page = (DOCS / "api.md").read_text()
    assert set(re.findall(r"^\| `((?:GET|POST|PUT|DELETE) [^`]*)`", page, re.MULTILINE)) == operations
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            line = next(line for line in page.splitlines() if line.startswith(f"| `{method.upper()} {path}`"))
            assert operation["summary"] in line


def test_every_state_and_status_is_documented(client: FlaskClient) -> None:
    page = (DOCS / "api.md").read_text()
    assert tuple(re.findall(r"^\| `([a-z_]+)` \|", page, re.MULTILINE)) == STATES
    statuses = {
        status
        for methods in client.get("/openapi.json").get_json()["paths"].values()
        for operation in methods.values()
        for status in operation["responses"]
        if status >= "400"
    }
    rows = re.findall(r"^\| (\d{3}(?:, \d{3})*) \|", page, re.MULTILINE)
    assert {status for row in rows for status in row.split(", ")} == statuses | {"405"}


def test_every_setting_is_documented() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \| (.*?) \|$", (DOCS / "settings.md").read_text(), re.MULTILINE)
    documented = {name: (default, meaning) for name, default, meaning in rows}
    assert documented.keys() == {PREFIX + name.upper() for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        default, meaning = documented[PREFIX + name.upper()]
        assert meaning == field.description
        if not field.is_required():
            assert default == f"`{field.default}`"


def test_settings_come_from_the_environment(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    assert load_settings(home).database == str(tmp_path / ".local/share/swaprace/results.db")
    assert default_database({**home, "XDG_DATA_HOME": "/data"}) == Path("/data/swaprace/results.db")
    given = load_settings({**home, "SWAPRACE_PORT": "9000", "SWAPRACE_MAX_CPUS": "4", "OTHER_PORT": "1"})
    assert (given.port, given.max_cpus) == (9000, 4)


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("PORT", "http", "valid integer"),
        ("HOST", "lab7", "is no address"),
        ("HOSTS", "http://lab7", "no host name"),
        ("MAX_CPUS", "65", "64"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, word: str) -> None:
    with pytest.raises(SettingsError, match=word) as refused:
        load_settings({"HOME": "/", PREFIX + name: value})
    assert f"{PREFIX}{name}={value!r}" in str(refused.value)
