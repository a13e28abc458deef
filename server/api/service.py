"""The service about itself: is it well, and which version is it."""

from __future__ import annotations

import platform

from apiflask import APIBlueprint

from server.api.common import the_service
from server.schemas import Model
from server.version import version


class Health(Model):
    """The service answers and its database can be read."""

    status: str
    queued: int
    live: int


class Version(Model):
    """What answers."""

    name: str
    version: str
    python: str


def service() -> APIBlueprint:
    """The blueprint of /healthz and /version."""
    bp = APIBlueprint("service", __name__, tag="service")

    @bp.get("/healthz")
    @bp.output(Health, description="All is well.")
    @bp.doc(summary="Is the service well?")
    def healthz() -> Health:
        counts = the_service().store.count_unfinished()
        return Health(status="ok", queued=counts["queued"], live=counts["live"])

    @bp.get("/version")
    @bp.output(Version, description="The version.")
    @bp.doc(summary="Which version answers?")
    def get_version() -> Version:
        return Version(name="swaprace", version=version(), python=platform.python_version())

    return bp
