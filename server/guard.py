"""What every request must pass: a Host that is ours, no other site behind it, a caller that may, a body that is JSON,
known query parameters. What changes something leaves a row that tells who asked.

Access to the API is the right to start processes. A page of another site that a browser shows cannot read our answers,
but it could send requests: by a name of its own that resolves to loopback (hence the Host list), or by a form (hence
Sec-Fetch-Site, Origin and the content type).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from apiflask import APIFlask
from flask import Request, Response, current_app, g, request
from flask.json.provider import DefaultJSONProvider

from server.api.common import the_service
from server.auth.access import CHALLENGE, SAFE_METHODS, authorize, identify, is_change
from server.auth.record import MAX_PATH, record_change
from server.errors import Fault, ProblemError
from server.logs import begin_request

REQUEST_ID_HEADER = "X-Request-Id"
FORM_TYPE = "application/x-www-form-urlencoded"
# Plotly makes a style element with nothing in it and adds rules to it by script, which needs only this.
EMPTY_STYLE = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'self'",
            f"style-src 'self' '{EMPTY_STYLE}'",
            "img-src 'self' data: blob:",  # a chart that a page turns into a picture to save
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser sends the forms of our own pages as Origin: null
    "Cache-Control": "no-store",
}


View = TypeVar("View", bound=Callable[..., Any])


log = logging.getLogger("swaprace.http")


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
    app.url_map.merge_slashes = False  # an address with too many slashes is not there, rather than elsewhere

    @app.before_request
    def check() -> None:
        g.began = time.perf_counter()
        g.request_id = begin_request(request.headers.get(REQUEST_ID_HEADER))
        _check_host()
        if request.method not in SAFE_METHODS:
            _check_site()
        _admit()
        if request.method not in SAFE_METHODS:
            _check_content_type()
        if request.url_rule is not None and request.method != "OPTIONS":
            _check_query()

    @app.after_request
    def mark(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if response.status_code == 401:
            response.headers.setdefault("WWW-Authenticate", CHALLENGE)
        response.headers[REQUEST_ID_HEADER] = g.request_id
        _tell(response)
        return response


def _tell(response: Response) -> None:
    """Record, count and log an answer."""
    service, caller = the_service(), g.get("caller")
    known = caller is not None and caller.scope is not None  # what nobody is known for is logged, and fills no disk
    if known and is_change(_view(), request.method) and not g.get("unrecorded", False):  # a view says what is traffic
        record_change(response, caller, g.request_id, service.store)
    seconds = time.perf_counter() - g.began
    route = None if request.url_rule is None else request.url_rule.rule
    service.metrics.answered(request.method, route, response.status_code, seconds)
    line = {
        "method": request.method,
        "path": request.path[:MAX_PATH],
        "status": response.status_code,
        "ms": round(1e3 * seconds, 3),
        "who": "nobody" if caller is None else caller.who,
        "remote": request.remote_addr,
    }
    log.log(logging.WARNING if response.status_code in (401, 403, 421) else logging.INFO, "request", extra=line)


def _admit() -> None:
    """Find out who asks, and whether the address may be asked that. Raises ProblemError 401, 403."""
    service = the_service()
    g.caller = identify(request, service.store, service.settings)
    authorize(g.caller, _view(), request.method)


def _check_host() -> None:
    host = request.host
    name = host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]
    allowed = the_service().settings.host_names
    if name.strip("[]").lower() not in allowed:
        names = ", ".join(allowed)
        raise ProblemError(421, "wrong_host", f"This server answers as {names}, not as the Host of this request.")


def _check_site() -> None:
    site = request.headers.get("Sec-Fetch-Site", "none")
    origin = request.headers.get("Origin")
    ours = (f"http://{request.host}", f"https://{request.host}")  # https: where a proxy speaks TLS for this server
    if site not in ("same-origin", "none") or (origin is not None and origin not in ours):
        raise ProblemError(403, "cross_origin", "Pages of another origin may not change anything here.")


def _check_content_type() -> None:
    has_body = bool(request.content_length) or "Transfer-Encoding" in request.headers
    wants_body = "body" in _spec_of_view()
    if _takes_form():
        _check_form()
    elif (has_body or wants_body) and request.mimetype != "application/json" and request.url_rule is not None:
        raise ProblemError(415, "unsupported_media_type", "Send the body as JSON: Content-Type: application/json.")


def takes_form(view: View) -> View:
    """Mark a view that a form of our pages is sent to."""
    view.takes_form = True  # type: ignore[attr-defined]
    return view


def _takes_form() -> bool:
    return getattr(_view(), "takes_form", False)


def _check_form() -> None:
    """Any site can have a browser send a form, so the browser must say that it is one of ours."""
    if request.mimetype not in ("", FORM_TYPE):
        raise ProblemError(415, "unsupported_media_type", f"This address takes forms: Content-Type: {FORM_TYPE}.")
    if request.headers.get("Sec-Fetch-Site") != "same-origin" and "Origin" not in request.headers:
        raise ProblemError(403, "cross_origin", "Forms are taken from the pages of this server; programs use the API.")


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
    spec: dict[str, Any] = getattr(_view(), "_spec", {})
    return spec


def _view() -> Callable[..., Any] | None:
    """The view that is to answer; None where no address matched."""
    return current_app.view_functions.get(request.endpoint or "")
