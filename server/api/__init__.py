"""REST: one blueprint a kind of resource. Views parse nothing and hold no SQL: models check, the store answers."""

from __future__ import annotations

from apiflask import APIBlueprint

from server.api.audit import audit
from server.api.baselines import baselines
from server.api.catalogues import catalogues
from server.api.comparisons import comparisons
from server.api.events import events
from server.api.explorations import explorations
from server.api.exports import exports
from server.api.hosts import hosts
from server.api.load_tests import load_tests
from server.api.operations import operations
from server.api.query import query
from server.api.replays import replays
from server.api.results import results
from server.api.runs import runs
from server.api.service import service
from server.api.studies import studies
from server.api.timelines import timelines


def blueprints() -> list[APIBlueprint]:
    """Every blueprint of the service, each made anew."""
    return [
        catalogues(),
        runs(),
        results(),
        timelines(),
        events(),
        baselines(),
        hosts(),
        operations(),
        load_tests(),
        studies(),
        comparisons(),
        explorations(),
        replays(),
        query(),
        exports(),
        service(),
        audit(),
    ]
