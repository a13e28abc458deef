"""The life of a run: its states, and the only ways from one to the next.

queued -> starting -> running -> succeeded
   |          |          |-----> failed       an error of the workload, or a law violated
   |          |          |-----> timed_out
   |          +----------+-----> lost         the supervisor or its lease is gone
   +---------------------------> cancelled    (from starting and running by way of cancelling)

and from starting back to queued, where whoever claimed it died before a supervisor had begun.
"""

from __future__ import annotations

from typing import Literal, get_args

RunState = Literal[
    "queued", "starting", "running", "cancelling", "succeeded", "failed", "timed_out", "lost", "cancelled"
]

STATES: tuple[RunState, ...] = get_args(RunState)

TRANSITIONS: dict[RunState, frozenset[RunState]] = {
    "queued": frozenset({"starting", "cancelled"}),
    "starting": frozenset({"queued", "running", "failed", "timed_out", "lost", "cancelling"}),
    "running": frozenset({"succeeded", "failed", "timed_out", "lost", "cancelling"}),
    "cancelling": frozenset({"cancelled"}),
    "succeeded": frozenset(),
    "failed": frozenset(),
    "timed_out": frozenset(),
    "lost": frozenset(),
    "cancelled": frozenset(),
}

# States in which a supervisor may be alive.
LIVE: frozenset[RunState] = frozenset({"starting", "running", "cancelling"})
TERMINAL: frozenset[RunState] = frozenset(state for state, after in TRANSITIONS.items() if not after)


def sources(target: RunState) -> list[RunState]:
    """States from which `target` may be reached, in the order of a run's life."""
    return [state for state in STATES if target in TRANSITIONS[state]]
