"""What an exhibit is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Exhibit:
    """`number` as in the collection, `variant` the protocol that has the bug (workers/protocols/museum), `fixed` the
    one without it, `race` the scenario that provokes it (workers/races), `laws` those that may tell it.
    `liveness`: it has to be looked for with lost wake-ups and cycles without progress, `tick`: under that model of
    the tick (workers/exploration.py)."""

    number: int
    title: str
    year: int
    variant: str
    fixed: str
    race: str
    laws: tuple[str, ...]
    history: str
    source: str
    liveness: bool = False
    tick: str | None = None
