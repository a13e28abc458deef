"""The record of changes, for those who watch over the server."""

from __future__ import annotations

from apiflask import APIBlueprint

from server.api.common import PREFIX, PageQuery, read_cursor, the_service, write_cursor
from server.auth.access import needs
from server.auth.tokens import AuditEntry
from server.schemas import Model


class AuditPage(Model):
    """Changes, newest first."""

    items: list[AuditEntry]
    next_cursor: str | None


def audit() -> APIBlueprint:
    """The blueprint of /audit."""
    bp = APIBlueprint("audit", __name__, url_prefix=f"{PREFIX}/audit", tag="service")

    @bp.get("")
    @bp.input(PageQuery, location="query", arg_name="query")
    @bp.output(AuditPage, description="A page of the record.")
    @bp.doc(summary="List changes, newest first")
    @needs("admin")
    def list_audit(query: PageQuery) -> AuditPage:
        found, before = the_service().store.list_audit(limit=query.limit, before=read_cursor(query.cursor))
        return AuditPage(items=found, next_cursor=write_cursor(before))

    return bp
