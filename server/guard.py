"""What every request must pass: a Host that is ours, no other site behind it, a JSON body, known query parameters.

Access to the API is the right to start processes. A page of another site that a browser shows cannot read our answers,
but it could send requests: by a name of its own that resolves to loopback (hence the Host list), or by a form (hence
Sec-Fetch-Site, Origin and the content type).
"""

from __future__ import annotations

from typing import Any

from apiflask import APIFlask
from flask import Request, Response, current_app, request
from flask.json.provider import DefaultJSONProvider

from server.config import LOOPBACK
from server.errors import Fault, ProblemError

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class StrictJson(DefaultJSONProvider):
    """JSON as RFC 8259 has it: no NaN, no Infinity; too deep a nesting is an error of the client."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Parse. Raises ValueError, which Flask answers with 400."""
        try:
            return super().loads(s, parse_constant=self._refuse, **kwargs)
        except RecursionError as error:
            raise ValueError("the body is nested too deeply") from error

    @staticmethod
    def _refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")


class JsonRequest(Request):
    """A request that says where its body stops being JSON."""

    def on_json_loading_failed(self, e: ValueError | None) -> Any:
        """Raises ProblemError 400."""
        raise ProblemError(400, "not_json", f"The body is not JSON: {e}.")


def register(app: APIFlask) -> None:
    """Have `app` check every request before its view, and mark every response."""
    app.json = StrictJson(app)
    app.request_class = JsonRequest

    @app.before_request
    def check() -> None:
        _check_host()
        if request.method not in SAFE_METHODS:
            _check_site()
            _check_content_type()
        if request.url_rule is not None and request.method != "OPTIONS":
            _check_query()

    @app.after_request
    def mark(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response


def _check_host() -> None:
    host = request.host
    name = host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]
    if name.strip("[]").lower() not in LOOPBACK:
        allowed = ", ".join(LOOPBACK)
        raise ProblemError(421, "wrong_host", f"This server answers as {allowed}, not as the Host of this request.")


def _check_site() -> None:
    site = request.headers.get("Sec-Fetch-Site", "none")
    origin = request.headers.get("Origin")
    if site not in ("same-origin", "none") or (origin is not None and origin != request.host_url.rstrip("/")):
        raise ProblemError(403, "cross_origin", "Pages of another origin may not change anything here.")


def _check_content_type() -> None:
    has_body = bool(request.content_length) or "Transfer-Encoding" in request.headers
    wants_body = "body" in _spec_of_view()
    if (has_body or wants_body) and request.mimetype != "application/json" and request.url_rule is not None:
        raise ProblemError(415, "unsupported_media_type", "Send the body as JSON: Content-Type: application/json.")


def _check_query() -> None:
    twice = [name for name, values in request.args.lists() if len(values) > 1]
    takes_query = bool(_spec_of_view().get("args"))
    faults = [Fault(parameter=name, detail="give this parameter once") for name in twice]
    if not takes_query:
        faults += [Fault(parameter=name, detail="this address takes no query parameters") for name in request.args]
    if faults:
        raise ProblemError(422, "invalid", "The query has faults; see errors.", faults)


def _spec_of_view() -> dict[str, Any]:
    """What APIFlask knows of the view that is to answer; empty where no view is."""
    view = current_app.view_functions.get(request.endpoint or "")
    spec: dict[str, Any] = getattr(view, "_spec", {})
    return spec
