"""Plotly's script, served from the installed Python package: the repository holds no copy of it."""

from __future__ import annotations

import importlib.metadata
import importlib.resources

from apiflask import APIBlueprint
from flask import Response, send_file

PLOTLY = f"/assets/plotly-{importlib.metadata.version('plotly')}.min.js"
YEAR_SECONDS = 365 * 86_400  # the name holds the version, so what it names never changes


def assets() -> APIBlueprint:
    """The blueprint of what comes from installed packages."""
    bp = APIBlueprint("assets", __name__, enable_openapi=False)

    @bp.get(PLOTLY)
    def plotly() -> Response:
        source = importlib.resources.files("plotly") / "package_data" / "plotly.min.js"
        with importlib.resources.as_file(source) as path:
            return send_file(path, mimetype="text/javascript", max_age=YEAR_SECONDS)

    return bp
