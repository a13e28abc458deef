"""Comparisons: made once from finished runs, and kept."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, jsonify, request
from pydantic import BaseModel, ConfigDict

from server.api.common import (
    ID,
    PREFIX,
    Body,
    ListQuery,
    Responses,
    idempotency_key,
    listing,
    problems,
    the_service,
    write_position,
)
from server.api.texts import page_of_texts
from server.documents import FORMATS, MEDIA_TYPES, Format, document_of
from server.figures import make_comparison
from server.filters import COMPARISONS
from server.schemas import ComparisonCreate, Model, StoredComparison


class ComparisonBody(Body, ComparisonCreate):
    """Two arms of a study by name, or two lists of run ids."""


class ComparisonPage(Model):
    """Comparisons, newest first."""

    items: list[StoredComparison]
    next_cursor: str | None


class DocumentQuery(BaseModel):
    """How to write a comparison; what the client accepts decides when it is not told."""

    model_config = ConfigDict(extra="forbid")

    format: Format | None = None


REPORT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'unsafe-inline'",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "sandbox allow-scripts allow-downloads",
        "frame-ancestors 'none'",
    )
)
DOCUMENTS: Responses = {
    200: {
        "description": "The comparison as it was made, in the format that is asked for or accepted.",
        "content": {
            "application/json": {"schema": StoredComparison.model_json_schema(mode="serialization")},
            "text/csv": {"schema": {"type": "string", "description": "a line a metric"}},
            "text/markdown": {"schema": {"type": "string", "description": "a heading, a table, the circumstances"}},
            "text/html": {"schema": {"type": "string", "description": "one self-contained page"}},
            "text/plain": {"schema": {"type": "string", "description": "a block of 72 columns for a mail"}},
        },
    }
}


def _asked_for() -> Format:
    best = request.accept_mimetypes.best_match([MEDIA_TYPES[form] for form in FORMATS], default="application/json")
    return next(form for form in FORMATS if MEDIA_TYPES[form] == best)


def comparisons() -> APIBlueprint:
    """The blueprint of /comparisons."""
    bp = APIBlueprint("comparisons", __name__, url_prefix=f"{PREFIX}/comparisons", tag="comparisons")

    @bp.post("")
    @bp.input(ComparisonBody, arg_name="body")
    @bp.output(StoredComparison, status_code=201, description="The comparison; Location is its address.")
    @bp.doc(summary="Compare finished runs", responses=problems(404, 409))
    def create_comparison(body: ComparisonBody) -> tuple[StoredComparison, int, dict[str, str]]:
        asked = ComparisonCreate.model_validate(body.model_dump())
        stored = make_comparison(the_service().store, asked, idempotency_key=idempotency_key())
        return stored, 201, {"Location": f"{PREFIX}/comparisons/{stored.id}"}

    @bp.get("")
    @bp.input(ListQuery, location="query", arg_name="query")
    @bp.output(ComparisonPage, description="A page of comparisons.")
    @bp.doc(summary="List comparisons, newest first")
    def list_comparisons(query: ListQuery) -> Response:
        asked = listing(query, COMPARISONS)
        found, after = the_service().store.comparison_texts(**asked)
        return page_of_texts(found, write_position(after, asked["order"]))

    @bp.get("/" + ID.format("comparison_id"))
    @bp.input(DocumentQuery, location="query", arg_name="query")
    @bp.doc(
        summary="Look at a comparison, as JSON, CSV, Markdown, HTML or mail", responses={**DOCUMENTS, **problems(404)}
    )
    def get_comparison(comparison_id: int, query: DocumentQuery) -> Response:
        store = the_service().store
        stored = store.get_comparison(comparison_id)
        form = query.format or _asked_for()
        if form == "json":
            response = jsonify(stored.model_dump(mode="json"))
        else:
            url = f"{request.host_url.rstrip('/')}{PREFIX}/comparisons/{stored.id}"
            response = Response(document_of(store, stored, form, url=url), mimetype=MEDIA_TYPES[form])
            if form == "html":  # a page of its own, with its own script and style, and none of our rights
                response.headers["Content-Security-Policy"] = REPORT_POLICY
        response.headers["Vary"] = "Accept"
        return response

    return bp
