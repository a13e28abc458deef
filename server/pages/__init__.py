"""Pages: HTML made on the server from the store, for people; what a program reads is the API's.

No SQL here and no statistics: a view asks the store, hands models to a template, and parses nothing. A page is a
blueprint of its own file, listed in `blueprints`; templates/base.html says what its template may use. Everything that a
page shows is said by its address, and a change is a form that works without scripts.
"""

from __future__ import annotations

from apiflask import APIBlueprint, APIFlask

from server.pages import frame
from server.pages.assets import assets
from server.pages.compare import compare
from server.pages.docs import documentation
from server.pages.explorations import explorations
from server.pages.home import home
from server.pages.hosts import hosts
from server.pages.launch import launch
from server.pages.load import load
from server.pages.museum import museum
from server.pages.protocols import protocols
from server.pages.run import run
from server.pages.runs import runs
from server.pages.sql import sql
from server.pages.studies import studies
from server.pages.timeline import timeline


def blueprints() -> list[APIBlueprint]:
    """Every blueprint of pages, each made anew; none is part of the OpenAPI document."""
    return [
        assets(),
        home(),
        runs(),
        launch(),
        run(),
        studies(),
        hosts(),
        load(),
        documentation(),
        compare(),
        timeline(),
        explorations(),
        museum(),
        protocols(),
        sql(),
    ]


def register(app: APIFlask) -> None:
    """Give `app` its pages, and problems as pages to those who asked for a page."""
    frame.register(app)
    for blueprint in blueprints():
        app.register_blueprint(blueprint)
