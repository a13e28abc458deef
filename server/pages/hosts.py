"""Hosts: the machines that runs were measured on, and the noise floor of each."""

from __future__ import annotations

from dataclasses import dataclass

from apiflask import APIBlueprint
from flask import render_template
from pydantic import ValidationError

from server.api.common import the_service
from server.calibration import NoiseFloor
from server.pages.frame import PageQuery
from server.schemas import Calibration, Host

FACTS = ("cpu_model", "cores_usable", "kernel", "governor", "clock_source", "memory_bytes", "build")


@dataclass(frozen=True)
class Shown:
    """A host with its calibrations as they can be read, newest first; `broken` counts those that cannot."""

    host: Host
    calibrations: list[tuple[Calibration, NoiseFloor]]
    broken: int


def hosts() -> APIBlueprint:
    """The blueprint of /hosts."""
    bp = APIBlueprint("hosts_page", __name__, enable_openapi=False)

    @bp.get("/hosts")
    @bp.input(PageQuery, location="query", arg_name="query")
    def list_hosts(query: PageQuery) -> str:
        found = [_shown(host) for host in the_service().store.list_hosts()]
        return render_template("hosts.html", hosts=found, facts=FACTS)

    @bp.get("/hosts/<name>")
    @bp.input(PageQuery, location="query", arg_name="query")
    def show_host(name: str, query: PageQuery) -> str:
        return render_template("host.html", shown=_shown(the_service().store.get_host(name)))

    return bp


def _shown(host: Host) -> Shown:
    read = []
    for calibration in host.calibrations:
        try:
            read.append((calibration, NoiseFloor.model_validate(calibration.result)))
        except ValidationError:
            continue  # told below as broken: the others stand
    return Shown(host, read, len(host.calibrations) - len(read))
