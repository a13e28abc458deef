"""Tokens: 256 random bits that are shown once; what is stored is their sha-256.

The text is random, so one round of sha-256 is enough: there is no dictionary to try. A found row is found by the
hash of what was sent, so no comparison of secrets takes a time that tells something.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Literal

from pydantic import Field

from server.schemas import Model

Scope = Literal["read", "run", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "run", "admin")  # each may what those before it may
PREFIX = "swaprace_"  # scanners for leaked secrets find it by that
TEXT = re.compile(PREFIX + r"[A-Za-z0-9_-]{43}")


class Token(Model):
    """A token as it is listed: everything but its text, which nobody has but its holder."""

    id: int
    name: str
    scope: Scope
    created_at: str
    expires_at: str | None = None
    revoked_at: str | None = None
    last_used_at: str | None = Field(None, description="exact to the minute")

    def is_good(self, now: str) -> bool:
        """True unless revoked, or expired by `now`."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


class AuditEntry(Model):
    """One change that was asked for: who, what, when, from where, and how it was answered."""

    id: int
    at: str
    who: str = Field(description="token:NAME, loopback (no token was needed), or cli:USER")
    scope: Scope
    remote: str = Field(description="address of the peer; for a command, the terminal's host")
    method: str
    path: str
    status: int = Field(description="HTTP status of the answer; 0 for a command")
    made: str | None = Field(None, description="address of what was made")
    request_id: str


def new_text() -> str:
    """A fresh token."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_of(text: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(text.encode()).hexdigest()


def suffices(held: Scope, needed: Scope) -> bool:
    """True where a holder of one scope may do what needs the other."""
    return SCOPES.index(held) >= SCOPES.index(needed)
