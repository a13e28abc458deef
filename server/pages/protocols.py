"""Protocols: what each does, and two of them as a source diff that reads like the patch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from apiflask import APIBlueprint
from flask import render_template
from pydantic import Field

from server.api.common import Number
from server.errors import Fault, ProblemError
from server.laws import laws
from server.pages.frame import PageQuery
from server.sources import Head, head_of, protocol_source, side_by_side, unified_diff
from server.store import NotFoundError
from workers.catalogue import PROTOCOLS, ProtocolEntry

PATTERN = r"^[a-z][a-z0-9_]{0,63}$"


class DiffQuery(PageQuery):
    """Which two protocols are laid beside each other, and how."""

    a: str | None = Field(None, pattern=PATTERN, description="the one before")
    b: str | None = Field(None, pattern=PATTERN, description="the one after")
    view: Literal["split", "unified"] = "split"
    context: Number = Field(3, ge=0, le=10_000, description="equal lines around a change")


@dataclass(frozen=True)
class Shown:
    """A protocol with its head; None where its source cannot be read."""

    entry: ProtocolEntry
    head: Head | None


def shown(name: str) -> Shown:
    """A protocol as pages show it. One that cannot be read does not break the list."""
    try:
        return Shown(PROTOCOLS[name], head_of(protocol_source(name)))
    except OSError:
        return Shown(PROTOCOLS[name], None)


def _known(parameter: str, name: str) -> str:
    if name not in PROTOCOLS:
        detail = f"there is no protocol {name!r}; known are {', '.join(PROTOCOLS)}"
        raise ProblemError(
            422, "invalid", detail[:1].upper() + detail[1:] + ".", [Fault(parameter=parameter, detail=detail)]
        )
    return name


def protocols() -> APIBlueprint:
    """The blueprint of /protocols."""
    bp = APIBlueprint("protocol_pages", __name__, url_prefix="/protocols", enable_openapi=False)

    @bp.get("")
    @bp.input(DiffQuery, location="query", arg_name="query")
    def list_protocols(query: DiffQuery) -> str:
        if query.a is None or query.b is None:
            return render_template("protocols.html", query=query, protocols=[shown(name) for name in PROTOCOLS])
        a, b = _known("a", query.a), _known("b", query.b)
        try:
            split = side_by_side(a, b, context=query.context) if query.view == "split" else []
            unified = unified_diff(a, b, context=query.context) if query.view == "unified" else []
        except OSError as error:
            raise NotFoundError("source", f"of {a} or {b}: {error.strerror}") from error
        return render_template(
            "protocol_diff.html", query=query, a=shown(a), b=shown(b), rows=split, lines=unified, known=PROTOCOLS
        )

    @bp.get("/laws")
    @bp.input(PageQuery, location="query", arg_name="query")
    def list_laws(query: PageQuery) -> str:
        return render_template("laws.html", laws=laws(), nr_protocols=len(PROTOCOLS))

    @bp.get("/<name>")
    @bp.input(PageQuery, location="query", arg_name="query")
    def show_protocol(name: str, query: PageQuery) -> str:
        if name not in PROTOCOLS:
            raise NotFoundError("protocol", repr(name))
        try:
            source = protocol_source(name)
        except OSError as error:
            raise NotFoundError("source", f"of {name}: {error.strerror}") from error
        return render_template("protocol.html", protocol=shown(name), source=source.splitlines(), known=PROTOCOLS)

    return bp
