"""/docs: the OpenAPI document as a page, made here. It loads nothing from another machine."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint, APIFlask
from flask import current_app, render_template

from server.pages.frame import PageQuery


def documentation() -> APIBlueprint:
    """The blueprint of /docs; itself not part of the OpenAPI document."""
    bp = APIBlueprint("documentation", __name__, enable_openapi=False)

    @bp.get("/docs")
    @bp.input(PageQuery, location="query", arg_name="query")
    def docs(query: PageQuery) -> str:
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
