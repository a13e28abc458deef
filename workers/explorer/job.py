"""One process of an exploration: it searches, shrinks what it finds, and says so on a pipe, one JSON object a line."""

from __future__ import annotations

import time
from typing import Any

from workers.diagram import text_of
from workers.executors.child import write_line
from workers.exploration import ExplorationFinding, ExplorationSpec
from workers.explorer.replay import token_of
from workers.explorer.search import Hit, Options, Search
from workers.explorer.shrink import shrunk
from workers.explorer.strategies import Seeker
from workers.races import Race
from workers.timeline import Timeline

PROGRESS_S = 0.5
KNOWN_SCHEDULES = 200  # of each of two strategies after the search, to see what is known to be broken


def finding_of(hit: Hit, options: Options) -> ExplorationFinding:
    """A hit as it is told: replayed once more, with its steps, its diagram and its token."""
    arena = options.arena(hit.race)
    timeline = Timeline.model_validate(arena.timeline(hit.recording))
    token = token_of(
        arena,
        options.protocol,
        {"kind": hit.kind, "law": hit.law},
        laws=options.laws,
        tick=options.tick,
        liveness=options.liveness,
        delayed_stores=options.delayed_stores,
    )
    return ExplorationFinding(
        kind=hit.kind,
        law=hit.law,
        sentence=hit.sentence,
        detail=hit.detail,
        strategy=hit.strategy,
        schedules=hit.schedules,
        seconds=hit.seconds,
        steps=arena.last_steps,
        preemptions=hit.preemptions,
        token=token.encode(),
        diagram=text_of(timeline, hit.law),
        timeline=timeline,
    )


def told(search: Search) -> dict[str, Any]:
    """What a job has done so far: the fields of an outcome."""
    return {
        "strategies": [seeker.told().model_dump() for seeker in search.seekers if seeker.played or seeker.exhausted],
        "schedules": search.schedules,
        "steps": search.arena.steps,
        "exhausted": search.exhausted,
        "starvation": search.arena.starvation(),
        "laws_checked": search.arena.laws_checked(),
    }


def run_job(spec: ExplorationSpec, race: Race, job: int, fileno: int) -> int:
    """Search as job number `job`, and write progress and the end to `fileno`. The exit code: 0.

    Lines: {"progress": schedules, "strategy": name}; last {"end": fields of an outcome, "seconds", "finding"}, or
    {"wrong": what cannot be played}.
    """
    options = Options.of(spec)
    try:
        search = Search(spec, race, job)
    except (ValueError, RuntimeError) as error:
        write_line(fileno, {"wrong": str(error)})
        return 0
    last = time.perf_counter()

    def on_slice(seeker: Seeker) -> None:
        nonlocal last
        if time.perf_counter() - last >= PROGRESS_S:
            last = time.perf_counter()
            write_line(fileno, {"progress": search.schedules, "strategy": seeker.strategy})

    hit = search.run(on_slice)
    seconds = search.seconds
    found = None if hit is None else finding_of(shrunk(hit, options), options).model_dump(mode="json")
    end = told(search)
    end["known"] = search.arena.known(KNOWN_SCHEDULES)
    write_line(fileno, {"end": end, "seconds": seconds, "finding": found})
    return 0
