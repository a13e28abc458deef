"""Holm's step-down correction. Source: Holm, A simple sequentially rejective multiple test procedure, 1979."""

from __future__ import annotations

from collections.abc import Mapping


def holm(p_values: Mapping[str, float | None]) -> dict[str, float | None]:
    """Adjusted p by name. A metric without a p (None) was declared all the same: it counts in the family as p = 1."""
    family = len(p_values)
    adjusted: dict[str, float | None] = dict.fromkeys(p_values)
    ordered = sorted((p, name) for name, p in p_values.items() if p is not None)
    running = 0.0
    for position, (p, name) in enumerate(ordered):
        running = max(running, min(1.0, (family - position) * p))
        adjusted[name] = running
    return adjusted
