"""`python -m workers.explorer.museum`: plays the exhibits, and says of each what every strategy needed to find it.

JSON in (MuseumSpec, one line), JSON out (ExhibitTold, a line each). The variant must be found, its fixed counterpart
must not: over `clean_schedules` schedules, or over all there are.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from workers.exhibits import EXHIBITS, Exhibit
from workers.exploration import ExhibitSearch, ExhibitTold, ExplorationSpec, MuseumSpec, Strategy
from workers.explorer.job import finding_of
from workers.explorer.search import Hit, Options, Search
from workers.explorer.shrink import shrunk
from workers.explorer.sources import protocol_sources
from workers.races import RACES

STRATEGIES: tuple[Strategy, ...] = ("random", "pct", "pos", "bound", "dpor")
DPOR_SHARE = 0.25  # of the schedules of a fixed counterpart, to see whether its space is small enough to be exhausted


def spec_of(exhibit: Exhibit, protocol: str, strategy: Strategy, **more: float) -> ExplorationSpec:
    """The exploration of an exhibit's race by one strategy."""
    given = {"protocol": protocol, "scenario": exhibit.race, "strategy": strategy, "liveness": exhibit.liveness}
    given["tick"] = exhibit.tick
    return ExplorationSpec.model_validate(given | more)


def told_of(exhibit: Exhibit, spec: MuseumSpec) -> ExhibitTold:
    """Play one exhibit as `spec` says."""
    searches: dict[Strategy, ExhibitSearch] = {}
    hits: list[tuple[Hit, Options]] = []
    for strategy in STRATEGIES:
        asked = spec_of(exhibit, exhibit.variant, strategy, seconds=spec.seconds)
        found, hit = _searched(asked, exhibit)
        searches[strategy] = found
        if hit is not None:
            hits.append((hit, Options.of(asked)))
    chosen: Strategy = "pct" if searches["pct"].found else "bound"
    seeds = [_searched(spec_of(exhibit, exhibit.variant, chosen, seconds=spec.seconds, seed=seed), exhibit)[0]
             for seed in range(1, spec.seeds + 1)]  # fmt: skip
    finding = finding_of(shrunk(*hits[0]), hits[0][1]).model_copy(update={"timeline": None}) if hits else None
    clean = _clean(exhibit, spec)
    return ExhibitTold(
        number=exhibit.number,
        lines=_lines_of(exhibit),
        searches=searches,
        seeds_strategy=chosen,
        seeds_found=sum(seed.found for seed in seeds),
        seeds=len(seeds),
        seeds_most_seconds=max(seed.seconds for seed in seeds),
        finding=finding,
        **clean,
    )


def _searched(asked: ExplorationSpec, exhibit: Exhibit) -> tuple[ExhibitSearch, Hit | None]:
    """One search of the variant. A hit counts when the law is one of the exhibit's."""
    search = Search(asked, RACES[exhibit.race])
    hit = search.run()
    found = hit is not None and hit.law in exhibit.laws
    return ExhibitSearch(found=found, schedules=search.schedules, seconds=search.seconds), hit if found else None


def _clean(exhibit: Exhibit, spec: MuseumSpec) -> dict[str, object]:
    """The fixed counterpart's half of what is told."""
    schedules, seconds, sentences = 0, 0.0, []
    shares: tuple[tuple[Strategy, float], ...] = (("dpor", DPOR_SHARE), ("pct", 0.5), ("random", 1.0))
    for strategy, share in shares:
        most = max(1, int((spec.clean_schedules - schedules) * share))
        asked = spec_of(exhibit, exhibit.fixed, strategy, schedules=most)
        search = Search(asked, RACES[exhibit.race])
        hit = search.run()
        schedules, seconds = schedules + search.schedules, seconds + search.seconds
        sentences += [seeker.told().sentence for seeker in search.seekers if seeker.played]
        if hit is not None or search.exhausted:
            sentences = sentences[-1:]
            break
    return {
        "fixed_schedules": schedules,
        "fixed_seconds": seconds,
        "fixed_exhausted": search.exhausted,
        "fixed_violation": None if hit is None else f"{hit.law}: {hit.detail}",
        "fixed_sentence": "; ".join(sentences),
    }


def _lines_of(exhibit: Exhibit) -> int:
    """Lines of the variant's class: what it does otherwise than the fixed one, docstrings counted."""
    path = next(
        path for path in protocol_sources(exhibit.variant) if path.name == f"{Path(_module_of(exhibit)).stem}.pyx"
    )
    lines = path.read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("cdef class"))
    return sum(1 for line in lines[first:] if line.strip())


def _module_of(exhibit: Exhibit) -> str:
    from workers.protocols.registry import protocol

    return type(protocol(exhibit.variant)).__module__.replace(".", "/")


def rounds(spec: MuseumSpec) -> Iterator[ExhibitTold]:
    """All exhibits that `spec` names, in the order of their numbers. KeyError: there is no such exhibit."""
    numbers = sorted(EXHIBITS) if spec.numbers is None else spec.numbers
    for exhibit in [EXHIBITS[number] for number in numbers]:
        yield told_of(exhibit, spec)


def main() -> int:
    """The command. Exit code 0, 2 for a spec that is none."""
    try:
        spec = MuseumSpec.model_validate_json(sys.stdin.readline())
        unknown = [number for number in spec.numbers or [] if number not in EXHIBITS]
        if unknown:
            raise ValueError(f"there is no exhibit {unknown[0]}; there are: {', '.join(map(str, sorted(EXHIBITS)))}")
    except (ValidationError, ValueError) as error:
        print(f"not a round through the museum: {error}", file=sys.stderr)
        return 2
    for told in rounds(spec):
        print(told.model_dump_json(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
