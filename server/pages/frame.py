"""The frame of every page: navigation, theme, filters of templates, and errors as pages."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urlencode

from apiflask import APIFlask
from flask import Response, current_app, render_template, request
from pydantic import BaseModel, ConfigDict, Field

from server.api.common import the_service
from server.errors import PROBLEM_TYPE, Problem
from server.pages import filters
from server.version import version

# Label and address; a page is current for its own address, for what lies below it, and for the third column.
NAVIGATION = (
    ("Runs", "/runs", ()),
    ("Compare", "/compare", ("/comparisons",)),
    ("Explore", "/explorations", ()),
    ("Museum", "/museum", ()),
    ("Timeline", "/timeline", ("/timelines",)),
    ("Protocols", "/protocols", ()),
    ("SQL", "/query", ()),
    ("Hosts", "/hosts", ()),
    ("Load", "/load", ()),
)
API_PATHS = ("/api/", "/healthz", "/readyz", "/version", "/metrics", "/openapi.json")


class PageQuery(BaseModel):
    """What the address of any page may say; a page with more to say derives its own."""

    model_config = ConfigDict(extra="forbid")

    theme: Literal["light", "dark"] | None = Field(None, description="colours, whatever the system prefers")


def here(**changes: object) -> str:
    """The address of this page with parameters of its query changed; None drops one."""
    query: dict[str, object] = {**request.args.to_dict(), **changes}
    kept = {name: value for name, value in query.items() if value is not None}
    return request.path + (f"?{urlencode(kept)}" if kept else "")


def asset(file: str) -> str:
    """The address of a file of server/static."""
    return f"/static/{file}"


def navigation() -> list[dict[str, Any]]:
    """The entries of the navigation, with the one that this page belongs to."""
    known = {rule.rule for rule in current_app.url_map.iter_rules()}

    def is_below(url: str) -> bool:
        return request.path == url or request.path.startswith(f"{url}/")

    return [
        {"label": label, "url": url, "current": any(map(is_below, (url, *others)))}
        for label, url, others in NAVIGATION
        if url in known
    ]


def wants_page() -> bool:
    """True for a browser at an address of a page."""
    if request.path.startswith(API_PATHS):
        return False
    return request.accept_mimetypes.best_match([PROBLEM_TYPE, "text/html"]) == "text/html"


def _problem_page(response: Response) -> Response:
    """A problem document as a page, for those who asked for a page."""
    if response.mimetype != PROBLEM_TYPE or not wants_page():
        return response
    problem = Problem.model_validate_json(response.get_data())
    response.set_data(render_template("error.html", problem=problem, theme=None))
    response.mimetype = "text/html"
    return response


def register(app: APIFlask) -> None:
    """Have templates know what base.html says, and problems be pages."""
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(filters.FILTERS)
    app.after_request(_problem_page)

    @app.context_processor
    def of_every_page() -> dict[str, Any]:
        theme = request.args.get("theme")
        return {
            "navigation": navigation(),
            "theme": theme if theme in ("light", "dark") else None,
            "version": version(),
            "database": the_service().settings.database_name,
            "asset": asset,
            "here": here,
        }
