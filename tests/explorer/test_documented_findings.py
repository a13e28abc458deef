"""What the documents show of a finding is what its token still shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from workers.explorer.replay import replay

TOKEN = re.compile(r"sr1-[A-Za-z0-9_-]+")
EXTENT = re.compile(r"\d+ steps of ")  # names the scenario, which a token of a shrunk race has none of


def drawn(diagram: list[str]) -> str:
    """The diagram and the law that it breaks."""
    end = next(at for at, line in enumerate(diagram) if EXTENT.match(line))
    return "\n".join(diagram[:end])


def test_the_finding_of_the_readme_replays_as_it_is_drawn(checkout: Path) -> None:
    readme = (checkout / "README.md").read_text()
    found = TOKEN.search(readme)
    assert found
    again = replay(found[0])
    assert again.status == "same", again.sentence
    assert drawn(again.diagram) in readme


def test_the_findings_of_the_museum_replay_as_they_are_drawn(checkout: Path) -> None:
    page = (checkout / "docs" / "museum.md").read_text()
    tokens = list(dict.fromkeys(TOKEN.findall(page)))
    assert len(tokens) > 15
    for token in tokens:
        again = replay(token)
        if again.status != "same" or drawn(again.diagram) not in page:
            pytest.fail(f"{token}: {again.sentence} swaprace museum run makes the page anew")
