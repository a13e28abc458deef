"""The service about itself: is it well, and which version is it."""

from __future__ import annotations

import platform

from apiflask import APIBlueprint
from flask import Response, jsonify

from server.api.common import PREFIX, Responses, problems, the_service
from server.auth.access import is_open
from server.errors import Fault, ProblemError
from server.metrics import CONTENT_TYPE
from server.schemas import Model
from server.version import version
from workers.spec import RunSpec

METRICS_RESPONSES: Responses = {
    200: {
        "description": "The metrics.",
        "content": {"text/plain": {"schema": {"type": "string", "description": "the text format of Prometheus"}}},
    }
}


DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_RESPONSES: Responses = {
    200: {"description": "The schema.", "content": {"application/json": {"schema": {"type": "object"}}}}
}


class Health(Model):
    """The service answers and its database can be read."""

    status: str
    queued: int
    live: int


class Ready(Model):
    """The database answers, a dispatcher lives, journals can be written."""

    status: str


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
    @is_open
    def healthz() -> Health:
        counts = the_service().store.count_unfinished()
        return Health(status="ok", queued=counts["queued"], live=counts["live"])

    @bp.get("/readyz")
    @bp.output(Ready, description="A run that is queued now is started.")
    @bp.doc(summary="Does the service start runs?", responses=problems(503))
    @is_open
    def readyz() -> Ready:
        lacking = the_service().readiness.lacking()
        if lacking:
            raise ProblemError(503, "not_ready", " ".join(lacking), [Fault(detail=problem) for problem in lacking])
        return Ready(status="ready")

    @bp.get("/version")
    @bp.output(Version, description="The version.")
    @bp.doc(summary="Which version answers?")
    @is_open
    def get_version() -> Version:
        return Version(name="swaprace", version=version(), python=platform.python_version())

    @bp.get(f"{PREFIX}/schema")
    @bp.doc(summary="JSON schema of the spec of a run", responses=SCHEMA_RESPONSES)
    def get_schema() -> Response:
        return jsonify({"$schema": DIALECT, **RunSpec.model_json_schema()})

    @bp.get("/metrics")
    @bp.doc(summary="Metrics for Prometheus", responses=METRICS_RESPONSES)
    def get_metrics() -> Response:
        return Response(the_service().metrics.text(), content_type=CONTENT_TYPE)

    return bp
