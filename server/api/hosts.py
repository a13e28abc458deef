"""Hosts: the machines that runs were measured on, and the noise floor of each."""

from __future__ import annotations

from apiflask import APIBlueprint

from server.api.common import PREFIX, problems, the_service
from server.schemas import Host, Model


class HostList(Model):
    """All hosts, the one that was seen last first."""

    items: list[Host]


def hosts() -> APIBlueprint:
    """The blueprint of /hosts."""
    bp = APIBlueprint("hosts", __name__, url_prefix=f"{PREFIX}/hosts", tag="hosts")

    @bp.get("")
    @bp.output(HostList, description="The hosts.")
    @bp.doc(summary="List hosts, and how much noise each has")
    def list_hosts() -> HostList:
        return HostList(items=the_service().store.list_hosts())

    @bp.get("/<name>")
    @bp.output(Host, description="The host.")
    @bp.doc(summary="Look at a host", responses=problems(404))
    def get_host(name: str) -> Host:
        return the_service().store.get_host(name)

    return bp
