"""Which run of one arm belongs to which of the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from server.compare.models import RunFigures


@dataclass(frozen=True)
class Pairing:
    """Runs of two arms. Paired: `baseline[i]` and `candidate[i]` are of `blocks[i]`, in the order of the blocks."""

    paired: bool
    baseline: Sequence[RunFigures]
    candidate: Sequence[RunFigures]
    blocks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def n(self) -> int:
        """Pairs; or, unpaired, the runs of the smaller arm."""
        return min(len(self.baseline), len(self.candidate))


def pair_runs(baseline: Sequence[RunFigures], candidate: Sequence[RunFigures]) -> Pairing:
    """Pair by (block, seed). Unpaired when a run has no block, an arm has two runs in one, or no block is shared."""
    sides = []
    for runs in (baseline, candidate):
        keyed = {(str(run.block), run.seed): run for run in runs if run.block is not None}
        if len(keyed) != len(runs):
            return Pairing(False, baseline, candidate, notes=["runs are not in blocks of one each: unpaired test"])
        sides.append(keyed)
    shared = [key for key in sides[0] if key in sides[1]]
    if not shared:
        return Pairing(False, baseline, candidate, notes=["the arms share no block and seed: unpaired test"])
    shared.sort(key=lambda key: (len(key[0]), key[0], key[1]))
    left_out = len(baseline) + len(candidate) - 2 * len(shared)
    notes = [f"{left_out} run{'s' if left_out > 1 else ''} without a partner left out"] if left_out else []
    return Pairing(
        True, [sides[0][key] for key in shared], [sides[1][key] for key in shared], [key[0] for key in shared], notes
    )
