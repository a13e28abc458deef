"""A token is played again byte for byte; what has changed since is told, and what cannot be played says why."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from workers.exploration import Replayed
from workers.explorer.arena import Arena
from workers.explorer.replay import EXIT_CODES, replay, token_of
from workers.explorer.token import Token, decode
from workers.races import RACES, Race
from workers.schedulers.preemption_bound import PreemptionBound

SCHEDULES = 20_000


def found(protocol: str, race: Race, law: str | None = None, **options: Any) -> Token:
    """The token of the first schedule that breaks a law, or that one."""
    arena = Arena(protocol, race, **options)
    arena.use(PreemptionBound(2))
    played = 0
    while played < SCHEDULES:
        count, legal = arena.play(played, SCHEDULES - played)
        played += count
        told = [] if legal else [each for each in arena.told() if law in (None, each["law"])]
        if told:
            return token_of(arena, protocol, told[0], **options)
    raise AssertionError(f"nothing found in {SCHEDULES} schedules")


@pytest.fixture(scope="module")
def token() -> Token:
    return found("swap_cache_as_posted", RACES["memcg_exit"])


def test_a_finding_is_played_again_byte_for_byte(token: Token) -> None:
    again = replay(token.encode())
    assert again.status == "same"
    assert again.sentence == f"{token.law} is broken again, byte for byte as found."
    assert (again.law, again.kind, again.protocol, again.scenario) == (
        token.law,
        "law",
        "swap_cache_as_posted",
        "memcg_exit",
    )
    assert (again.protocol_changed, again.core_changed) == (False, False)
    assert again.steps_hash == f"{token.steps_hash:016x}"
    assert again.timeline is not None
    assert len(again.timeline.steps) == again.steps
    assert again.timeline.scenario == "memcg_exit"
    assert token.law in [finding.law for finding in again.timeline.findings]
    assert replay(token.encode()) == again, "twice the same"


def test_the_diagram_is_that_of_the_finding(token: Token) -> None:
    lines = replay(token.encode()).diagram
    assert lines[0].split() == ["CPU0", "(reclaim)", "CPU1", "(exit)"]
    assert [line for line in lines if "free_swap_and_cache()" in line]
    assert [line for line in lines if line.startswith(f"{token.law} is broken: ")]
    assert max(map(len, lines)) <= 72


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"core_digest": b"1234"}, "The core has changed since, and the steps are the same: {law} is broken again."),
        (
            {"protocol_digest": b"1234"},
            "The protocol has changed since, and the steps are the same: {law} is broken again.",
        ),
        (
            {"protocol_digest": b"1234", "core_digest": b"1234", "steps_hash": 7},
            "The protocol and the core have changed since, and the steps are others; {law} is broken all the same.",
        ),
    ],
)
def test_changed_sources_are_told(token: Token, change: dict[str, Any], sentence: str) -> None:
    again = replay(replace(token, **change).encode())
    assert again.sentence == sentence.format(law=token.law)
    assert again.status == ("other" if "steps_hash" in change else "same")
    assert again.protocol_changed is ("protocol_digest" in change)
    assert again.core_changed is ("core_digest" in change)


def test_choices_that_lead_nowhere_say_where(token: Token) -> None:
    cut = replay(replace(token, choices=token.choices[:-6]).encode())
    assert cut.status == "diverged"
    assert "It cannot be played again: diverged at step " in cut.sentence
    assert "The sources are the same" in cut.sentence
    more = replay(replace(token, choices=token.choices + b"\0", core_digest=b"1234").encode())
    assert more.status == "diverged"
    assert "left over" in more.sentence
    assert more.sentence.endswith("The core has changed since.")
    assert more.timeline is None


def test_a_law_that_holds_now_is_told() -> None:
    """As after a fix: the choices fit, and what the token blames is not found."""
    arena = Arena("swap_cache", RACES["fault_fault"])
    arena.use(PreemptionBound(2))
    assert arena.play(0, 1) == (1, True)
    clean = token_of(arena, "swap_cache", {"kind": "law", "law": "Q1"})
    again = replay(clean.encode())
    assert (again.status, again.sentence) == ("holds", "Q1 holds: the steps are the same.")
    fixed = replay(replace(clean, protocol_digest=b"1234").encode())
    assert (
        fixed.sentence == "The protocol has changed since, and with these choices Q1 holds now: the steps are the same."
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"protocol": "nothing_of_that_name"}, "nothing_of_that_name"),
        ({"protocol": "/nowhere/mine.pyx:Mine"}, "/nowhere/mine.pyx: No such file"),
        ({"race": Race("", "", (("mm_init", 0),), ((("juggle", 0),),))}, "no operation 'juggle'"),
        ({"race": replace(RACES["memcg_exit"], fields={"slots": -4})}, "slots: "),
    ],
)
def test_what_cannot_be_made_says_why(token: Token, change: dict[str, Any], words: str) -> None:
    again = replay(replace(token, **change).encode())
    assert again.status == "impossible"
    assert again.sentence.startswith("It cannot be played: ")
    assert words in again.sentence
    assert EXIT_CODES[again.status] == 1


def test_a_livelock_is_played_again() -> None:
    livelock = found("has_cache", RACES["fault_fault"], "L1", liveness=True, tick="any")
    assert decode(livelock.encode()).liveness
    again = replay(livelock.encode())
    assert (again.status, again.kind) == ("same", "livelock")
    assert [line for line in again.diagram if "<from here again and again>" in line]


def test_a_race_of_another_name_is_replayed_all_the_same(token: Token) -> None:
    other = replace(RACES["memcg_exit"], race=(*RACES["memcg_exit"].race, (("load", 1, 0),)))
    again = replay(replace(token, race=other).encode())
    assert again.scenario == "replayed"


def test_the_program_takes_a_token_and_says_json(token: Token, checkout: Path) -> None:
    def said(line: str) -> tuple[int, Replayed]:
        command = [sys.executable, "-m", "workers.explorer.replay"]
        done = subprocess.run(command, input=line, capture_output=True, text=True, cwd=checkout, timeout=60)
        return done.returncode, Replayed.model_validate(json.loads(done.stdout))

    assert said(token.encode() + "\n") == (3, replay(token.encode()))
    code, refused = said("sr1-garbage\n")
    assert (code, refused.status) == (2, "no_token")
    assert refused.sentence.startswith("The token was cut off")
