"""Whether two arms of runs may be compared at all: which of their circumstances differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from server.compare.models import RunFigures

# What the arms race each other on, and what varies from block to block.
FREE_CONFIG = frozenset({"protocol", "seed"})

# A figure depends on each of these; what an environment holds beside them (load, Python, git sha) is for reading. A
# protocol is part of the source, so the sha of a commit may differ: comparing two commits is what some come for.
ENVIRONMENT_KEYS = (
    "host",
    "machine",
    "cpu_model",
    "cores",
    "cores_usable",
    "kernel",
    "build",
    "clock_source",
    "tsc_invariant",
    "governor",
)
_ABSENT = object()


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, keys joined by dots: {"device": {"kind": 1}} is {"device.kind": 1}."""
    if not isinstance(value, dict):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat.update(flatten(inner, f"{prefix}.{key}" if prefix else str(key)))
    return flat


def differing_keys(
    runs: Sequence[RunFigures], pairs: Sequence[tuple[RunFigures, RunFigures]] = ()
) -> dict[str, list[str]]:
    """Key -> the values seen, for each `config.` and `environment.` key on which the runs do not agree.

    Configurations agree over all runs. Environments do too, or, where runs are compared in `pairs`, within each pair: a
    study may use several hosts, as long as what is compared is measured on one.
    """
    configs = [flatten({k: v for k, v in run.config.items() if k not in FREE_CONFIG}) for run in runs]
    unlike = {f"config.{key}": values for key, values in _unlike(configs)}
    groups: Sequence[Sequence[RunFigures]] = pairs or [runs]
    for group in groups:
        seen = [{k: run.environment[k] for k in ENVIRONMENT_KEYS if k in run.environment} for run in group]
        for key, values in _unlike([flatten(each) for each in seen]):
            unlike.setdefault(f"environment.{key}", values)
    return unlike


def _unlike(flats: Sequence[dict[str, Any]]) -> Iterable[tuple[str, list[str]]]:
    for key in sorted(set().union(*flats)):
        values = [flat.get(key, _ABSENT) for flat in flats]
        if any(value != values[0] for value in values):
            yield key, sorted({"absent" if value is _ABSENT else str(value) for value in values})


def protocols(runs: Sequence[RunFigures]) -> list[str]:
    """The protocols that the runs of one arm name: one, when it is an arm."""
    return sorted({str(run.config.get("protocol")) for run in runs})
