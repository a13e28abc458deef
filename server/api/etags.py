"""ETags: a resource that a client has already is not sent again, and one that it has not seen is not changed.

The tag is a hash of the representation: it changes with anything that a client sees (RFC 9110 sections 8.8 and 13).
"""

from __future__ import annotations

import hashlib

from apiflask import APIFlask
from flask import Response, jsonify, request
from pydantic import BaseModel

from server.api.common import PREFIX
from server.errors import Fault, ProblemError

IF_MATCH = "If-Match"


def register(app: APIFlask) -> None:
    """Have `app` tag every JSON answer of the API, and answer 304 for one that the client has."""

    @app.after_request
    def tag(response: Response) -> Response:
        is_resource = request.method in ("GET", "HEAD") and request.path.startswith(PREFIX)
        if not is_resource or response.status_code != 200 or response.is_streamed or not response.is_json:
            return response
        response.headers["Cache-Control"] = "private, no-cache"  # keep it, and ask whether it is still so
        response.set_etag(_tag(response.get_data()))
        response.make_conditional(request)
        return response


def _tag(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=12).hexdigest()


def expected(model: BaseModel) -> None:
    """Raise ProblemError 412 where If-Match names other representations of a resource than the one it has now."""
    if IF_MATCH not in request.headers:
        return
    if not request.if_match.contains(_tag(jsonify(model.model_dump(mode="json")).get_data())):
        fault = Fault(parameter=IF_MATCH, detail="look at the resource again, and send the ETag of what you then see")
        raise ProblemError(412, "precondition_failed", "The resource is not as the request takes it to be.", [fault])
