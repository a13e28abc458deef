"""What an exploration has found, one entry a law, with the shortest schedule that shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LONGEST_RECORDING = 100_000  # choices: as hex, what `cooperative.schedule` of a spec takes (workers/spec.py)


@dataclass
class Finding:
    """A law that did not hold: how often, and how the shortest schedule showed it. `choices` is that one's length."""

    law: str
    sentence: str
    detail: str
    count: int
    choices: int
    schedule: str | None


class Findings:
    """Findings by law, in the order in which they came."""

    def __init__(self) -> None:
        self._by_law: dict[str, Finding] = {}

    def __len__(self) -> int:
        return len(self._by_law)

    def add(self, law: str, sentence: str, detail: str, count: int, recording: str | None, where: str) -> None:
        """One schedule's finding. `recording` is its choices as hex, None before any schedule; `where` names it."""
        choices = len(recording) // 2 if recording is not None else 0
        found = self._by_law.get(law)
        if found is not None:
            found.count += count
            if choices >= found.choices:
                return
        schedule = recording if choices <= LONGEST_RECORDING else None
        if recording is not None and schedule is None:
            where += f"; its {choices} choices are more than a replay takes"
        entry = Finding(law, sentence, f"{detail} ({where})", count, choices, schedule)
        if found is not None:
            entry.count = found.count
        self._by_law[law] = entry

    def violations(self) -> list[dict[str, Any]]:
        """As workers.outcome.Violation takes them."""
        return [
            {"law": f.law, "sentence": f.sentence, "detail": f.detail, "count": f.count, "schedule": f.schedule}
            for f in self._by_law.values()
        ]
