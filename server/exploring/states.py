"""The life of an exploration.

queued -> running -> clean       nothing was found
   |         |-----> found       a law is broken, or nobody can go on
   |         |-----> failed      the explorer says why
   |         +-----> lost        whoever played it is gone, and the explorer with it
   +---------------> cancelled   (from running by way of cancelling)

A command plays its own exploration, which begins as running. None is played twice.
"""

from __future__ import annotations

from typing import Literal, get_args

ExplorationState = Literal["queued", "running", "cancelling", "clean", "found", "failed", "lost", "cancelled"]

STATES: tuple[ExplorationState, ...] = get_args(ExplorationState)
LIVE: frozenset[ExplorationState] = frozenset({"running", "cancelling"})
TERMINAL: frozenset[ExplorationState] = frozenset(STATES) - LIVE - {"queued"}
