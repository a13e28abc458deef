"""REST: one blueprint a kind of resource. Views parse nothing and hold no SQL: models check, the store answers."""

from __future__ import annotations

from apiflask import APIBlueprint

from server.api.catalogues import catalogues
from server.api.comparisons import comparisons
from server.api.docs import documentation
from server.api.results import results
from server.api.runs import runs
from server.api.service import service
from server.api.studies import studies


def blueprints() -> list[APIBlueprint]:
    """Every blueprint of the service, each made anew."""
    return [catalogues(), runs(), results(), studies(), comparisons(), service(), documentation()]
