"""The matrix of a study, and the arms that it stands for."""

from __future__ import annotations

import difflib
import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from server.schemas import MAX_ARMS, MAX_REPEATS, Arm
from workers.catalogue import PROTOCOLS
from workers.spec import RunSpec

MAX_AXIS = 100  # values of one axis
MAX_COMBINATIONS = 10_000  # before what is excluded
MAX_NAME = 64  # characters of the name of an arm
NOT_AXES = frozenset({"seed"})  # seeds are the blocks of a study
AXES = [name for name in RunSpec.model_fields if name not in NOT_AXES]
PATH = tuple[str | int, ...]


class MatrixError(ValueError):
    """What is wrong with a matrix: `path` says where, as keys and indices."""

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.path: PATH = path


class StudyPlan(BaseModel):
    """A study as its file or a request describes it.

    Every combination of the values of `matrix` is a run spec; what `exclude` matches is left out, what `include` adds
    is put in, and `spec` holds the fields that all share. Combinations that differ in their protocol only are a cell:
    its arms are compared with each other. Every arm runs once with each of the seeds from `seed` on.
    """

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    matrix: dict[str, list[JsonValue]] = Field(min_length=1, description="field of a run spec -> its values")
    spec: dict[str, JsonValue] = Field({}, description="fields that every run has")
    include: list[dict[str, JsonValue]] = Field([], max_length=MAX_ARMS, description="combinations beside the matrix")
    exclude: list[dict[str, JsonValue]] = Field([], max_length=MAX_ARMS, description="combinations that are left out")
    baseline: str | None = Field(None, max_length=64, description="protocol that others are compared with; the first")
    repeats: int = Field(
        10, ge=1, le=MAX_REPEATS, description="blocks; each runs every arm once, with a seed of its own"
    )
    seed: int = Field(1, ge=0, lt=(1 << 63) - MAX_REPEATS, description="seed of the first block")


def digest_of(plan: StudyPlan) -> str:
    """sha-256 of what the runs are made from; plans that differ in spelling only have the same."""
    return hashlib.sha256(json.dumps(plan.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


def differing_parts(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Dotted names of what two dumped plans differ in: matrix.cpus, repeats."""
    parts = []
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            parts += [f"{key}.{inner}" for inner in sorted({*old, *new}) if old.get(inner) != new.get(inner)]
        else:
            parts.append(key)
    return parts


def arms_of(plan: StudyPlan) -> list[Arm]:
    """The arms of every cell, cells in the order of the matrix, in each the baseline first. Raises MatrixError."""
    cells: dict[str, dict[str, RunSpec]] = {}
    for combination, path in _combinations(plan):
        spec = _spec_of(plan, combination, path)
        key = json.dumps(spec.model_dump(mode="json", exclude={"protocol"}), sort_keys=True)
        cells.setdefault(key, {}).setdefault(spec.protocol, spec)
    if not cells:
        raise MatrixError("the study has no run: 'exclude' leaves nothing of the matrix", "exclude")
    number = sum(map(len, cells.values()))
    if number > MAX_ARMS:
        raise MatrixError(f"the matrix has {number} combinations; a study has up to {MAX_ARMS}", "matrix")
    if plan.baseline is not None and not any(plan.baseline in arms for arms in cells.values()):
        known = ", ".join(sorted({name for arms in cells.values() for name in arms}))
        raise MatrixError(f"no run has the protocol {plan.baseline!r}; protocols are {known}", "baseline")
    return list(_named(list(cells.values()), plan.baseline))


def _combinations(plan: StudyPlan) -> Iterator[tuple[dict[str, Any], PATH]]:
    for axis, values in plan.matrix.items():
        if axis in NOT_AXES or axis not in RunSpec.model_fields:
            raise MatrixError(f"{axis!r} is no axis; axes are {', '.join(AXES)}", "matrix", axis)
        if not 1 <= len(values) <= MAX_AXIS:
            raise MatrixError(f"an axis has 1 to {MAX_AXIS} values, {axis} has {len(values)}", "matrix", axis)
    if "protocol" not in {*plan.matrix, *plan.spec}:
        raise MatrixError('the matrix needs protocols: protocol = ["has_cache", "swap_cache"]', "matrix")
    combinations = math.prod(len(values) for values in plan.matrix.values())
    if combinations > MAX_COMBINATIONS:
        raise MatrixError(
            f"the axes make {combinations} combinations; up to {MAX_COMBINATIONS} are looked at", "matrix"
        )
    _check_keys(plan.spec, ("spec",))
    for i, rule in enumerate(plan.exclude):
        _check_keys(rule, ("exclude", i))
    used = set()
    for combined in itertools.product(*plan.matrix.values()):
        combination = dict(zip(plan.matrix, combined, strict=True))
        matching = [i for i, rule in enumerate(plan.exclude) if _matches({**plan.spec, **combination}, rule)]
        used.update(matching)
        if not matching:
            yield combination, ("matrix",)
    for i in range(len(plan.exclude)):
        if i not in used:
            raise MatrixError("this 'exclude' matches no combination of the matrix", "exclude", i)
    for i, extra in enumerate(plan.include):
        _check_keys(extra, ("include", i))
        protocols: list[Any] = [extra["protocol"]] if "protocol" in extra else plan.matrix.get("protocol", [])
        for protocol in protocols or [plan.spec.get("protocol")]:
            yield {**extra, "protocol": protocol}, ("include", i)


def _check_keys(table: Mapping[str, Any], path: PATH) -> None:
    for key in table:
        if key in NOT_AXES or key not in RunSpec.model_fields:
            why = "seeds come from 'seed' and 'repeats'" if key in NOT_AXES else f"fields are {', '.join(AXES)}"
            raise MatrixError(f"{key!r} cannot be set here; {why}", *path, key)


def _matches(combination: Mapping[str, Any], rule: Mapping[str, Any]) -> bool:
    return all(_normal(key, combination.get(key)) == _normal(key, value) for key, value in rule.items())


def _normal(key: str, value: Any) -> Any:
    """A device by its kind alone is one with the defaults of that kind."""
    return {"kind": value} if key == "device" and isinstance(value, str) else value


def _spec_of(plan: StudyPlan, own: Mapping[str, Any], path: PATH) -> RunSpec:
    """The spec of a combination; what is wrong with it is told where it stands: in the combination or in `spec`."""
    combination = {**plan.spec, **own}
    protocol = combination.get("protocol")
    if isinstance(protocol, str) and protocol not in PROTOCOLS:
        guess = difflib.get_close_matches(protocol, PROTOCOLS, n=1)
        hint = f"; did you mean {guess[0]}?" if guess else ""
        raise MatrixError(
            f"there is no protocol {protocol!r}: known are {', '.join(PROTOCOLS)}{hint}",
            *(path if "protocol" in own else ("spec",)),
            "protocol",
        )
    body = {key: _normal(key, value) for key, value in combination.items()}
    try:
        return RunSpec.model_validate(body, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = [str(part) for part in first["loc"]]
        message = first["msg"].removeprefix("Value error, ")
        shown = f"{'.'.join(where)} = {json.dumps(first['input'], default=str)}: " if where else ""
        place = ("spec",) if where and where[0] not in own and where[0] in plan.spec else path
        raise MatrixError(f"{shown}{message}", *place, *where[:1]) from error


def _named(cells: list[dict[str, RunSpec]], baseline: str | None) -> Iterator[Arm]:
    """Arms by protocol and cell, as swap_cache:cpus-4.hz-250; a cell whose name would be too long has a number."""
    labels = _labels([next(iter(arms.values())) for arms in cells])
    longest = max(len(protocol) for arms in cells for protocol in arms)
    if any(longest + 1 + len(label) > MAX_NAME for label in labels):
        labels = [f"cell-{number}" for number in range(1, len(cells) + 1)]
    for label, arms in zip(labels, cells, strict=True):
        for protocol in sorted(arms, key=lambda name: name != baseline):
            yield Arm(name=f"{protocol}:{label}" if label else protocol, cell=label or None, spec=arms[protocol])


def _labels(specs: list[RunSpec]) -> list[str]:
    """What tells each cell from the others, in words that the name of an arm may hold."""
    dumped = [_flat(spec.model_dump(mode="json", exclude={"protocol", "seed"})) for spec in specs]
    differing = [key for key in dumped[0] if any(each.get(key) != dumped[0][key] for each in dumped)]
    return [".".join(_word(key, each.get(key)) for key in differing) for each in dumped]


def _flat(body: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in body.items():
        if isinstance(value, dict) and key != "mix":
            flat.update({f"{key}.{inner}": each for inner, each in value.items()})
        else:
            flat[key] = value
    return flat


def _word(key: str, value: Any) -> str:
    last = key.rpartition(".")[2]
    text = json.dumps(value) if isinstance(value, dict) else str(value)
    clean = "".join(char if char.isalnum() or char in "_-" else "_" for char in text)
    return clean if last in ("scenario", "kind", "access", "lock", "laws", "executor") else f"{last}-{clean}"


def cells_of(arms: Iterable[Arm]) -> dict[str | None, list[Arm]]:
    """Arms by the cell in which they are compared, in their order."""
    found: dict[str | None, list[Arm]] = {}
    for arm in arms:
        found.setdefault(arm.cell, []).append(arm)
    return found
