"""/docs: the OpenAPI document as a plain page, made here, and where / leads. It loads nothing from another machine."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint, APIFlask
from flask import current_app, redirect, render_template
from werkzeug.wrappers import Response


def documentation() -> APIBlueprint:
    """The blueprint of /docs; itself not part of the OpenAPI document."""
    bp = APIBlueprint("documentation", __name__, enable_openapi=False)

    @bp.get("/")
    def home() -> Response:
        return redirect("/docs")

    @bp.get("/docs")
    def docs() -> str:
        app = current_app
        assert isinstance(app, APIFlask)
        document: Any = app.spec
        operations = [
            {"method": method.upper(), "path": path, **operation}
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if isinstance(operation, dict)
        ]
        return render_template(
            "docs.html", info=document["info"], operations=operations, schemas=document["components"]["schemas"]
        )

    return bp
