"""A page of a list whose items are JSON already."""

from __future__ import annotations

import json
from collections.abc import Sequence

from flask import Response


def page_of_texts(items: Sequence[str], next_cursor: str | None) -> Response:
    """The answer to a request for a list."""
    body = f'{{"items": [{", ".join(items)}], "next_cursor": {json.dumps(next_cursor)}}}\n'
    return Response(body, mimetype="application/json")
