"""Catalogues: the protocols that can be raced, the scenarios of runs, and the races of explorations."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from apiflask import APIBlueprint

from server.api.common import PREFIX, problems
from server.exploring.names import race_told
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


def catalogues() -> APIBlueprint:
    """The blueprint of /protocols, /scenarios and /races."""
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
