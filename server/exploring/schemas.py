"""Explorations, findings and replays as the service gives them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from server.exploring.states import TERMINAL, ExplorationState
from server.schemas import Model
from workers.exploration import ExplorationSpec, FindingKind, Strategy, StrategyTold, Verdict
from workers.explorer.token import LONGEST
from workers.outcome import KnownBreach
from workers.timeline import Timeline


class FindingSummary(Model):
    """What was found, in words and figures. `number` counts from 1 within its exploration."""

    number: int
    kind: FindingKind
    law: str
    sentence: str
    detail: str
    strategy: Strategy = Field(description="the strategy that found it")
    schedules: int = Field(description="schedules played until it was found")
    seconds: float = Field(description="time until it was found")
    steps: int = Field(description="of the shrunk execution")
    preemptions: int = Field(description="of the shrunk execution")
    token: str = Field(description="swaprace replay TOKEN runs it again")


class Finding(FindingSummary):
    """A finding with its diagram."""

    exploration: int
    protocol: str
    scenario: str
    diagram: list[str] = Field(description="lines of 72 columns at most")
    has_timeline: bool


class Exploration(Model):
    """One exploration. Figures of a living one are as far as it is; coverage comes with its end."""

    id: int
    state: ExplorationState
    reason: str | None = Field(None, description="why it is in its state, as a sentence")
    protocol: str
    scenario: str
    strategy: str
    seed: int
    spec: ExplorationSpec
    created_at: str
    started_at: str | None = None
    finished_at: str | None = None
    host: str | None = Field(None, description="where it is or was played")
    schedules: int
    steps: int
    seconds: float
    schedules_per_second: float | None = None
    exhausted: bool | None = Field(None, description="every interleaving was covered")
    findings: list[FindingSummary] = []
    strategies: list[StrategyTold] = Field([], description="what each strategy did and covered")
    starvation: dict[str, int] = {}
    laws_checked: list[str] = []
    known: list[KnownBreach] = Field([], description="laws that it broke as its kernel is known to: no news")
    environment: dict[str, Any] = {}

    @property
    def finished(self) -> bool:
        """True in a state that nothing leaves."""
        return self.state in TERMINAL


class ReplayCreate(Model):
    """What to play again."""

    token: str = Field(min_length=1, max_length=LONGEST, description="token of a finding, as sr1-...")


class Replay(Model):
    """A finding that was played again: what the replay said, and every step of it."""

    id: int
    created_at: str
    token: str
    verdict: Verdict
    timeline: Timeline | None = None
