"""A token played again: the same machine, steps and choices, and whether the same thing comes of it.

    python -m workers.explorer.replay < TOKEN

Standard output has one line of JSON (`Replayed`), standard error a log. Exit codes: 0 the token's law holds now, 1 the
token cannot be played again, 2 it is no token, 3 its law is broken again.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from shm.errors import SegmentError
from workers.diagram import text_of
from workers.exploration import Replayed, ReplayStatus
from workers.explorer.arena import KINDS, Arena
from workers.explorer.sources import core_digest, protocol_digest
from workers.explorer.token import LONGEST, Token, TokenError, decode
from workers.races import RACES, SMALL, Race
from workers.timeline import Timeline

EXIT_CODES: dict[ReplayStatus, int] = {
    "same": 3,
    "other": 3,
    "holds": 0,
    "diverged": 1,
    "impossible": 1,
    "no_token": 2,
}


# What a token may ask for and cannot have: of a spec, a segment, a script, a protocol's file, or the first steps.
CANNOT_BE = (SegmentError, ValueError, TypeError, OverflowError, OSError, RuntimeError, MemoryError)


def replay(text: str) -> Replayed:
    """Play a token again. No error is raised for a token that cannot be: the status says so."""
    try:
        token = decode(text)
    except TokenError as error:
        return Replayed(status="no_token", sentence=f"{str(error)[:1].upper()}{str(error)[1:]}.")
    told: dict[str, Any] = {"law": token.law, "kind": token.kind, "protocol": token.protocol}
    race = named(token.race)
    try:
        changed = {
            "protocol_changed": protocol_digest(token.protocol) != token.protocol_digest,
            "core_changed": core_digest() != token.core_digest,
        }
        arena = Arena(token.protocol, race, token.laws, token.tick, token.liveness, token.delayed_stores)
    except CANNOT_BE as error:
        return Replayed(status="impossible", sentence=f"It cannot be played: {_reason(error)}.", **told)
    told |= {"scenario": race.name, **changed}
    try:
        timeline = Timeline.model_validate(arena.timeline(token.choices.hex()) | {"scenario": race.name})
    except ValueError as error:
        return Replayed(status="diverged", sentence=_diverged(str(error), **changed), **told)
    same = arena.last_hash == token.steps_hash
    again = _is_told(token, timeline, arena.verdict())
    status: ReplayStatus = "holds" if not again else "same" if same else "other"
    return Replayed(
        status=status,
        sentence=_verdict(token, status, same, **changed),
        steps=arena.last_steps,
        preemptions=arena.preemptions,
        steps_hash=f"{arena.last_hash:016x}",
        diagram=text_of(timeline, token.law),
        timeline=timeline,
        **told,
    )


def token_of(arena: Arena, protocol: str, found: dict[str, Any], **options: Any) -> Token:
    """The token of the execution that `arena` has played last, for one of the things that it told.

    `options`: laws, tick, delayed_stores and liveness, as the arena was made with.
    """
    return Token(
        protocol=protocol,
        race=arena.race,
        kind=found["kind"],
        law=found["law"],
        choices=bytes.fromhex(arena.recording()),
        steps_hash=arena.last_hash,
        protocol_digest=protocol_digest(protocol),
        core_digest=core_digest(),
        **options,
    )


def named(race: Race) -> Race:
    """A token's race with the name that it has in the catalogue, if it is still the same one there."""
    for known in RACES.values():
        if (known.before, known.race, {**SMALL, **known.fields}) == (race.before, race.race, race.fields):
            return replace(race, name=known.name, sentence=known.sentence)
    return race


def _is_told(token: Token, timeline: Timeline, verdict: str) -> bool:
    """Whether the token's law is broken in the timeline; where nobody goes on, in the same way."""
    if token.kind != "law" and KINDS.get(verdict) != token.kind:
        return False
    return any(finding.law == token.law for finding in timeline.findings)


def _verdict(token: Token, status: ReplayStatus, same: bool, *, protocol_changed: bool, core_changed: bool) -> str:
    changed = _changed(protocol_changed, core_changed)
    if status == "holds":
        why = f"{changed}, and with these choices {token.law} holds now" if changed else f"{token.law} holds"
        return f"{why}: {'the steps are the same' if same else 'the steps are others'}."
    if same:
        return (
            f"{changed}, and the steps are the same: {token.law} is broken again."
            if changed
            else (f"{token.law} is broken again, byte for byte as found.")
        )
    because = changed or "The sources have not changed"
    return f"{because}, and the steps are others; {token.law} is broken all the same."


def _diverged(error: str, *, protocol_changed: bool, core_changed: bool) -> str:
    changed = _changed(protocol_changed, core_changed)
    because = f"{changed}." if changed else "The sources are the same: the laws, or the build, are others."
    return f"It cannot be played again: {error}. {because}"


def _changed(protocol: bool, core: bool) -> str:
    """Which sources are not those of the token, as the begin of a sentence; empty when none."""
    if protocol and core:
        return "The protocol and the core have changed since"
    if protocol or core:
        return f"The {'protocol' if protocol else 'core'} has changed since"
    return ""


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        wrong = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}"
    return str(error) or type(error).__name__


def main() -> int:
    """Read a token, print what came of it."""
    replayed = replay(sys.stdin.read(LONGEST + 1))
    print(replayed.model_dump_json(exclude_none=True), flush=True)
    return EXIT_CODES[replayed.status]


if __name__ == "__main__":
    sys.exit(main())
