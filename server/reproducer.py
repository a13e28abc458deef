"""The commands that repeat a run: on the command line and over HTTP."""

from __future__ import annotations

import json
import shlex
from typing import Any

from pydantic import Field

from server.api.common import PREFIX
from server.cli.spec_options import options_of
from server.schemas import Model
from workers.outcome import Violation
from workers.spec import CooperativeSpec, RunSpec


class Commands(Model):
    """One run as two command lines that ask for the very same."""

    cli: str | None = Field(description="for a shell; null where the spec has what the command line cannot say")
    curl: str = Field(description="for a shell, against this server")
    spec: dict[str, Any] = Field(description="the body of POST /api/v1/runs: all that differs from the defaults")


class Replay(Commands):
    """The schedule under which a law broke."""

    law: str


class Reproducer(Commands):
    """What repeats a run, and what it was built from."""

    git_sha: str | None = Field(description="commit of the checkout that it was measured with; null when not known")
    git_dirty: bool | None = Field(description="true when that checkout had changes of its own")
    replays: list[Replay]


def commands_of(spec: RunSpec, base_url: str) -> dict[str, Any]:
    """The fields of Commands for a spec. `base_url` is where the server answers, without a slash at the end."""
    body = shortest(spec)
    options = options_of(spec)
    cli = None if options is None else shlex.join(["swaprace", "run", spec.protocol, *options])
    words = ["curl", "-s", f"{base_url}{PREFIX}/runs", "-H", "Content-Type: application/json", "-d", json.dumps(body)]
    return {"cli": cli, "curl": shlex.join(words), "spec": body}


def shortest(spec: RunSpec) -> dict[str, Any]:
    """A spec as JSON without what has its default; protocol and seed stay."""
    body: dict[str, Any] = spec.model_dump(mode="json", exclude_defaults=True)
    return {"protocol": spec.protocol, "seed": spec.seed, **body}


def reproducer_of(spec: RunSpec, environment: dict[str, Any], violations: list[Violation], base_url: str) -> Reproducer:
    """What repeats a run of `spec`, and each schedule under which it broke a law."""
    replays = [
        Replay(law=broken.law, **commands_of(replay_of(spec, broken.schedule), base_url))
        for broken in violations
        if broken.schedule
    ]
    return Reproducer(
        **commands_of(spec, base_url),
        git_sha=environment.get("git_sha"),
        git_dirty=environment.get("git_dirty"),
        replays=replays,
    )


def replay_of(spec: RunSpec, schedule: str) -> RunSpec:
    """The spec that plays one schedule of a cooperative run again."""
    cooperative = CooperativeSpec(
        scheduler="replay", schedule=schedule, operations_per_cpu=spec.cooperative.operations_per_cpu
    )
    return spec.model_copy(update={"executor": "cooperative", "cooperative": cooperative})
