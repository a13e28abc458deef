"""Catalogues: the protocols that can be raced, the laws they keep, the scenarios of runs, the races of explorations."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from apiflask import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field

from server.api.common import PREFIX, problems
from server.errors import Fault, ProblemError
from server.exploring.names import race_told
from server.laws import laws
from server.schemas import Model
from server.store import NotFoundError
from workers.catalogue import PROTOCOLS, SCENARIOS
from workers.races import RACES


class Protocol(Model):
    """A swap-in protocol: the kernel it is that of, and whether it keeps the laws."""

    name: str
    cls: str
    kernel: str
    summary: str
    sound: bool


class ProtocolList(Model):
    """All protocols."""

    items: list[Protocol]


class Scenario(Model):
    """A workload."""

    name: str
    summary: str


class ScenarioList(Model):
    """All scenarios."""

    items: list[Scenario]


class RaceEntry(Model):
    """A race that exploration plays: what CPU 0 does before, what each CPU does then, and what its machine has."""

    name: str
    sentence: str
    cpus: int
    before: list[str]
    steps: list[list[str]]
    fields: dict[str, Any]


class RaceList(Model):
    """All races."""

    items: list[RaceEntry]


class KnownBreach(Model):
    """A protocol that is known to break a law, as its kernel does; `museum` has the numbers of the exhibits."""

    protocol: str
    museum: list[int]
    why: str


class LawPlaces(Model):
    """The protocols that are asked for a law at rest, and wherever a lock of that kind is released."""

    at_rest: list[str]
    cluster_lock: list[str]
    folio_lock: list[str]
    page_table_lock: list[str]


class Law(Model):
    """A law: C is about a slot or cluster, F a folio, P a page-table entry, Q memory at rest, L liveness, T a step."""

    law: str
    sentence: str
    points: list[str]
    protocols: list[str]
    looked_at: LawPlaces
    warnings: list[str] = Field(description="of steps that break it")
    known: list[KnownBreach]


class LawList(Model):
    """All laws, or those of one protocol."""

    items: list[Law]


class LawQuery(BaseModel):
    """Which laws to list."""

    model_config = ConfigDict(extra="forbid")

    protocol: str | None = Field(
        None, max_length=64, description="only the laws that it is asked for, and those that it is known to break"
    )


def catalogues() -> APIBlueprint:
    """The blueprint of /protocols, /laws, /scenarios and /races."""
    bp = APIBlueprint("catalogues", __name__, url_prefix=PREFIX, tag="catalogues")

    @bp.get("/protocols")
    @bp.output(ProtocolList, description="The protocols.")
    @bp.doc(summary="List protocols")
    def list_protocols() -> ProtocolList:
        return ProtocolList(items=[Protocol(**asdict(entry)) for entry in PROTOCOLS.values()])

    @bp.get("/protocols/<name>")
    @bp.output(Protocol, description="The protocol.")
    @bp.doc(summary="Look at a protocol", responses=problems(404))
    def get_protocol(name: str) -> Protocol:
        if name not in PROTOCOLS:
            raise NotFoundError("protocol", repr(name))
        return Protocol(**asdict(PROTOCOLS[name]))

    @bp.get("/laws")
    @bp.input(LawQuery, location="query", arg_name="query")
    @bp.output(LawList, description="The laws.")
    @bp.doc(summary="List laws", responses=problems(404, 422))
    def list_laws(query: LawQuery) -> LawList:
        if query.protocol is not None and query.protocol not in PROTOCOLS:
            detail = f"there is no protocol {query.protocol!r}; there are: {', '.join(PROTOCOLS)}"
            fault = Fault(parameter="protocol", detail=detail)
            raise ProblemError(422, "invalid", detail[:1].upper() + detail[1:] + ".", [fault])
        return LawList(items=[Law.model_validate(law.body()) for law in laws(query.protocol)])

    @bp.get("/scenarios")
    @bp.output(ScenarioList, description="The scenarios.")
    @bp.doc(summary="List scenarios")
    def list_scenarios() -> ScenarioList:
        return ScenarioList(items=[Scenario(**asdict(entry)) for entry in SCENARIOS.values()])

    @bp.get("/scenarios/<name>")
    @bp.output(Scenario, description="The scenario.")
    @bp.doc(summary="Look at a scenario", responses=problems(404))
    def get_scenario(name: str) -> Scenario:
        if name not in SCENARIOS:
            raise NotFoundError("scenario", repr(name))
        return Scenario(**asdict(SCENARIOS[name]))

    @bp.get("/races")
    @bp.output(RaceList, description="The races.")
    @bp.doc(summary="List races")
    def list_races() -> RaceList:
        return RaceList(items=[RaceEntry(**race_told(race)) for race in RACES.values()])

    return bp
