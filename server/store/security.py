"""Tokens and the record of changes as rows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from server.auth.tokens import AuditEntry, Scope, Token, hash_of
from server.db import Database, utc_now
from server.models import audit, tokens
from server.store.errors import ConflictError, NotFoundError

USED_EXACT_SECONDS = 60.0  # last_used_at is written this often at most: reading shall not write at every request
COLUMNS = [column for column in tokens.c if column.name != "hash"]


class Security:
    """The part of the store that guards and records."""

    db: Database

    def create_token(self, name: str, scope: Scope, text: str, *, expires_at: str | None = None) -> Token:
        """Keep the hash of a token. Raises ConflictError for a name that has been given, to a revoked one too."""
        row = {"name": name, "scope": scope, "hash": hash_of(text), "created_at": utc_now(), "expires_at": expires_at}
        try:
            with self.db.write() as connection:
                made = connection.execute(insert(tokens).values(**row).returning(*COLUMNS)).mappings().one()
        except IntegrityError as error:
            raise ConflictError(f"there is a token {name!r} already; names stay taken, for the record") from error
        return Token(**made)

    def list_tokens(self) -> list[Token]:
        """All tokens, revoked ones too, oldest first."""
        with self.db.read() as connection:
            return [Token(**row) for row in connection.execute(select(*COLUMNS).order_by(tokens.c.id)).mappings()]

    def revoke_token(self, name: str) -> Token:
        """Make a token worthless, at once. Raises NotFoundError; harmless the second time."""
        named = update(tokens).where(tokens.c.name == name)
        with self.db.write() as connection:
            connection.execute(named.where(tokens.c.revoked_at.is_(None)).values(revoked_at=utc_now()))
            row = connection.execute(select(*COLUMNS).where(tokens.c.name == name)).mappings().one_or_none()
        if row is None:
            raise NotFoundError("token", repr(name))
        return Token(**row)

    def good_token(self, text: str) -> Token | None:
        """The token of that text, unless revoked or expired; that it was used is noted."""
        with self.db.read() as connection:
            row = connection.execute(select(*COLUMNS).where(tokens.c.hash == hash_of(text))).mappings().one_or_none()
        token = None if row is None else Token(**row)
        now = utc_now()
        if token is None or not token.is_good(now):
            return None
        if token.last_used_at is None or token.last_used_at < utc_now(plus_seconds=-USED_EXACT_SECONDS):
            with self.db.write() as connection:
                connection.execute(update(tokens).where(tokens.c.id == token.id).values(last_used_at=now))
        return token

    def has_good_token(self) -> bool:
        """True where anybody could come in with a token."""
        lasting = or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > utc_now())
        number = select(func.count()).select_from(tokens).where(tokens.c.revoked_at.is_(None), lasting)
        with self.db.read() as connection:
            return bool(connection.execute(number).scalar_one())

    def add_audit(self, **columns: Any) -> None:
        """Keep one change; `columns` are those of AuditEntry without its id and time."""
        with self.db.write() as connection:
            connection.execute(insert(audit).values(at=utc_now(), **columns))

    def list_audit(self, *, limit: int = 50, before: int | None = None) -> tuple[list[AuditEntry], int | None]:
        """Newest changes first, those with an id below `before`; and the `before` of the next page, None at the end."""
        query = select(audit).order_by(audit.c.id.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(audit.c.id < before)
        with self.db.read() as connection:
            found = [AuditEntry(**row) for row in connection.execute(query).mappings()]
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    def prune_audit(self, *, before: str) -> int:
        """Forget changes from before a time (RFC 3339 in UTC, as `utc_now` writes it); how many."""
        with self.db.write() as connection:
            return connection.execute(delete(audit).where(audit.c.at < before)).rowcount
