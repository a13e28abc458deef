"""`swaprace laws` says what the registry has: every law, its places, and what is known to be broken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from server.cli import main
from server.laws import PLACES, museum_numbers
from workers.catalogue import PROTOCOLS
from workers.exhibits import EXHIBITS
from workers.invariants.registry import LAWS


def asked(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["laws", *arguments])


def listed(*arguments: str) -> list[dict[str, Any]]:
    result = asked("--json", *arguments)
    assert result.exit_code == 0, result.output
    items: list[dict[str, Any]] = json.loads(result.output)["items"]
    return items


def test_it_lists_the_registry() -> None:
    items = {item["law"]: item for item in listed()}
    assert list(items) == list(LAWS)
    for law in LAWS.values():
        item = items[law.id]
        places = (law.protocols, law.cluster_protocols, law.folio_protocols, law.page_protocols)
        assert [tuple(item["looked_at"][key]) for key in PLACES.values()] == list(places)
        assert item["protocols"] == [name for name in PROTOCOLS if any(name in place for place in places)]
        assert (item["sentence"], tuple(item["points"])) == (law.sentence, law.points)
        assert tuple(item["warnings"]) == law.warnings
        assert {known["protocol"]: known["why"] for known in item["known"]} == law.known_broken


def test_each_known_breach_has_its_number_in_the_museum() -> None:
    for item in listed():
        for known in item["known"]:
            assert known["museum"], f"{item['law']} of {known['protocol']}"
            assert tuple(known["museum"]) == museum_numbers(known["why"])
    assert {number for item in listed("swap_table") for known in item["known"] for number in known["museum"]} & {
        *EXHIBITS
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_one_protocol_has_its_own(protocol: str) -> None:
    items = listed(protocol)
    known = {law.id for law in LAWS.values() if protocol in law.known_broken}
    assert {item["law"] for item in items} >= known
    assert all(protocol in item["protocols"] or item["law"] in known for item in items)
    assert all({each["protocol"] for each in item["known"]} <= {protocol} for item in items)
    text = asked(protocol).output
    assert f"laws of {protocol}" in text
    for law in known:
        assert law in text


def test_the_table_says_each_sentence_and_the_museum() -> None:
    text = " ".join(asked().output.split())
    assert "museum 28" in text
    for law in LAWS:
        assert f" {law} " in text


def test_a_table_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("server.laws.DOCUMENT", tmp_path / "laws.md")
    failed = asked()
    assert failed.exit_code == 1
    assert "docs/laws.md, cannot be read" in failed.output


def test_a_name_that_is_none_is_refused() -> None:
    wrong = asked("swap_cash")
    assert wrong.exit_code == 2
    assert "did you mean swap_cache?" in wrong.output
