"""The museum: historical bugs of swap-in synchronization, each as a variant of a few lines.

Plain data, so that the service can list them without the compiled core. `python -m workers.explorer.museum` plays them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Exhibit:
    """`number` as in the collection, `variant` the protocol that has the bug (workers/protocols/museum), `fixed` the one
    without it, `race` the scenario that provokes it (workers/races.py), `laws` those that may tell it."""

    number: int
    title: str
    year: int
    variant: str
    fixed: str
    race: str
    laws: tuple[str, ...]
    history: str
    source: str


EXHIBITS: dict[int, Exhibit] = {
    exhibit.number: exhibit
    for exhibit in (
        Exhibit(
            26,
            "memcg1_swapout after the slot is free",
            2026,
            "swap_cache_as_posted",
            "swap_cache",
            "memcg_exit",
            ("Q11", "Q12", "T5"),
            "Reclaim takes the folio out of the cache, which frees a slot whose last reference is gone, and records the "
            "cgroup id on it afterwards.",
            "syzbot d97580a8cceb9b03c13e; fixed in the series before it was merged",
        ),
    )
}
