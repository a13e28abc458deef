"""Explorations and findings in words: for a terminal, a mail, a page."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from server.compare.wording import ns_text
from server.exploring.schemas import Exploration, Finding, FindingSummary
from workers.exploration import ExplorationSpec, StrategyTold

KINDS = {
    "law": "breaks a law",
    "deadlock": "nobody can go on",
    "partial_deadlock": "some can never go on again",
    "lost_wakeup": "a wake-up is lost",
    "livelock": "goes round without progress",
    "no_progress": "makes no progress",
}


def replay_command(token: str) -> str:
    """The command that plays a finding again."""
    return f"swaprace replay {token}"


def seconds_text(seconds: float) -> str:
    """A time with three digits and its unit."""
    return ns_text(seconds * 1e9)


def beside(finding: Finding) -> list[str]:
    """The law in words and where it does not hold, unless the diagram says so below itself."""
    if any(line.startswith(f"{finding.law} is broken") for line in finding.diagram):
        return []
    return [finding.sentence, *([finding.detail] if finding.detail else [])]


def how_found(finding: FindingSummary) -> str:
    """Strategy, schedules and time until it was found, and what is left of it since."""
    played = f"{_times(finding.schedules, 'schedule')} in {seconds_text(finding.seconds)}"
    return (
        f"found by {finding.strategy} after {played}; "
        f"shrunk to {_times(finding.steps, 'step')} and {_times(finding.preemptions, 'preemption')}"
    )


def headline(finding: FindingSummary) -> str:
    """The kind and the law in a line."""
    return f"{KINDS[finding.kind]}: {finding.law}" if finding.law else KINDS[finding.kind]


def explore_command(spec: ExplorationSpec) -> str:
    """The command that explores the same."""
    plain = ExplorationSpec(protocol=spec.protocol, scenario=spec.scenario).model_dump()
    words = ["swaprace", "explore", spec.protocol, "--scenario", spec.scenario]
    for name, value in spec.model_dump().items():
        if value != plain[name]:
            flag = f"--{name.replace('_', '-')}"
            words += [flag] if value is True else [flag, f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(words)


def covered(told: Sequence[StrategyTold]) -> list[str]:
    """A line a strategy: what it covered."""
    return [f"{each.strategy}: {each.sentence}" for each in told]


def summary(exploration: Exploration) -> str:
    """How much was played, and how fast."""
    rate = exploration.schedules_per_second
    speed = f", {rate:,.0f} a second" if rate else ""
    return f"{_times(exploration.schedules, 'schedule')} in {seconds_text(exploration.seconds)}{speed}"


def mail_of(finding: Finding) -> str:
    """A finding as text: law, diagram, replay."""
    lines = [
        f"{finding.protocol}, {finding.scenario}: {headline(finding)}",
        *beside(finding),
        "",
        *finding.diagram,
        "",
        how_found(finding) + ".",
        replay_command(finding.token),
    ]
    return "\n".join(lines) + "\n"


def markdown_of(finding: Finding) -> str:
    """A finding as Markdown: law, diagram and replay in fenced blocks."""
    lines = [
        f"## {finding.protocol}, {finding.scenario}: {headline(finding)}",
        "",
        finding.sentence,
        *(["", finding.detail] if finding.detail else []),
        "",
        "```",
        *finding.diagram,
        "```",
        "",
        how_found(finding).capitalize() + ".",
        "",
        "```",
        replay_command(finding.token),
        "```",
    ]
    return "\n".join(lines) + "\n"


def _times(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
