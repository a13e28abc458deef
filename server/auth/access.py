"""May this request do what it asks? Who it comes from, the scope that its address needs, and the answer when not.

Loopback is let in without a token, unless a token is required: whoever can reach it has an account on this machine.
On any other address a token is always needed, from loopback too: a tunnel or a proxy ends there.

A token comes as `Authorization: Bearer TOKEN`. A browser, which sends no such header by itself, asks its user and
sends the token as the password of `Authorization: Basic`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from flask import Request

from server.auth.tokens import TEXT, Scope, suffices
from server.config import LOOPBACK, Settings
from server.errors import ProblemError
from server.store import Store

CHALLENGE = 'Bearer realm="swaprace", Basic realm="swaprace: any name, the token as password", charset="UTF-8"'
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
View = TypeVar("View", bound=Callable[..., object])


@dataclass(frozen=True)
class Caller:
    """Who asks, as it is recorded, and the scope; None for who brought no token where one is needed."""

    who: str
    scope: Scope | None


LOCAL = Caller("loopback", "admin")
NOBODY = Caller("nobody", None)


def needs(scope: Scope) -> Callable[[View], View]:
    """Mark a view: it needs this scope, whatever its method. Others need `run` to change and `read` to look."""

    def mark(view: View) -> View:
        view.__dict__["needs"] = scope
        return view

    return mark


def is_open(view: View) -> View:
    """Mark a view: it answers without a token where others ask for one."""
    view.__dict__["is_open"] = True
    return view


def scope_needed(view: object, method: str) -> Scope | None:
    """The scope that a view needs for a method; None where it is open to everybody."""
    if getattr(view, "is_open", False):
        return None
    marked: Scope | None = getattr(view, "needs", None)
    return marked or ("read" if method in SAFE_METHODS else "run")


def token_is_needed(settings: Settings) -> bool:
    """True where nobody is let in without a token."""
    return settings.require_token or settings.host not in LOOPBACK


def is_change(view: object, method: str) -> bool:
    """True for what shall be recorded: a method that may change something, unless the view is known to read only."""
    return method not in SAFE_METHODS and scope_needed(view, method) not in (None, "read")


def identify(request: Request, store: Store, settings: Settings) -> Caller:
    """Who asks. Raises ProblemError 401 for a token that is none.

    A token that is sent counts, also where none is needed: a wrong one is refused rather than overlooked.
    """
    text = _token_of(request)
    if text is None:
        return NOBODY if token_is_needed(settings) else LOCAL
    token = store.good_token(text) if TEXT.fullmatch(text) else None
    if token is None:
        raise ProblemError(401, "token_refused", "The token is unknown, expired or revoked.")
    return Caller(f"token:{token.name}", token.scope)


def authorize(caller: Caller, view: object, method: str) -> None:
    """Raise ProblemError unless `caller` may ask this of the view: 401 for nobody, 403 for too small a scope."""
    needed = scope_needed(view, method)
    if needed is None:
        return
    if caller.scope is None:
        raise ProblemError(401, "token_needed", "Send a token: Authorization: Bearer TOKEN.")
    if not suffices(caller.scope, needed):
        sentence = f"This needs the scope {needed}; the token has {caller.scope}."
        raise ProblemError(403, "scope_missing", sentence)


def _token_of(request: Request) -> str | None:
    """The token that a request brings; None where it brings none. Text that cannot be read is a wrong token."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    kind, _, rest = header.strip().partition(" ")
    if kind.lower() != "basic":
        return rest.strip() if kind.lower() == "bearer" else ""
    try:
        return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
