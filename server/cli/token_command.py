"""`swaprace token`: who may use a server from elsewhere. Whoever can open the results database makes its tokens."""

from __future__ import annotations

import getpass
import re
import secrets
import socket
from typing import Any

import click

from server.auth.tokens import SCOPES, Scope, Token, new_text
from server.cli.exits import CommandError
from server.cli.output import json_option, print_json, stdout_console, table_for
from server.cli.results import db_option, opened_store, settings_for
from server.db import utc_now
from server.store import Store, StoreError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
DAY_SECONDS = 86_400


@click.group("token")
def token() -> None:
    """Make, list and revoke the tokens that a server asks for."""


@token.command("create")
@click.argument("name")
@click.option("--scope", type=click.Choice(SCOPES), default="read", show_default=True, help="What it may do.")
@click.option("--days", type=click.IntRange(1, 3650), default=None, help="Days until it expires; never when not given.")
@db_option
@json_option
def create(name: str, scope: Scope, days: int | None, db: str | None, as_json: bool) -> None:
    """Make a token and print it, this once: only its hash is stored.

    read looks; run also starts, cancels and compares; admin also reads the record of changes and takes the whole
    database.
    """
    if not NAME.fullmatch(name):
        raise click.UsageError(f"{name!r} cannot be a name: give 1 to 64 of A-Z a-z 0-9 _ . @ -, the first no sign")
    text = new_text()
    expires_at = None if days is None else utc_now(plus_seconds=days * DAY_SECONDS)
    with opened_store(settings_for(db)) as store:
        try:
            made = store.create_token(name, scope, text, expires_at=expires_at)
        except StoreError as error:
            raise CommandError(str(error)) from error
        _record(store, "create", name)
    if as_json:
        print_json({"token": text, **made.model_dump()})
        return
    click.echo(f"token {name} with scope {scope}; keep it, it is not shown again:", err=True)
    click.echo(text)


@token.command("list")
@db_option
@json_option
def list_tokens(db: str | None, as_json: bool) -> None:
    """List the tokens: what they may do, and when they were used last."""
    with opened_store(settings_for(db)) as store:
        found = store.list_tokens()
    if as_json:
        print_json({"items": [each.model_dump() for each in found]})
        return
    console = stdout_console()
    table = table_for(console, "", ["name", "scope", "state", "made", "expires", "last used"])
    for each in found:
        table.add_row(*_row(each))
    console.print(table if found else "no tokens; make one with `swaprace token create NAME --scope run`")


@token.command("revoke")
@click.argument("name")
@db_option
@json_option
def revoke(name: str, db: str | None, as_json: bool) -> None:
    """Make a token worthless from now on. Its name stays taken, so that the record of changes stays true."""
    with opened_store(settings_for(db)) as store:
        try:
            revoked = store.revoke_token(name)
        except StoreError as error:
            raise CommandError(str(error)) from error
        _record(store, "revoke", name)
    if as_json:
        print_json(revoked.model_dump())
    else:
        click.echo(f"token {name} is revoked", err=True)


def _row(each: Token) -> list[str]:
    now = utc_now()
    state = "revoked" if each.revoked_at else "good" if each.is_good(now) else "expired"
    times = (each.created_at, each.expires_at, each.last_used_at)
    return [each.name, each.scope, state, *("-" if moment is None else f"{moment[:16]}Z" for moment in times)]


def _record(store: Store, what: str, name: str) -> None:
    """Leave a row of the record of changes, as a request would."""
    row: dict[str, Any] = {"method": what.upper(), "path": f"/tokens/{name}", "status": 0, "made": None}
    who = f"cli:{getpass.getuser()}"
    store.add_audit(who=who, scope="admin", remote=socket.gethostname(), request_id=secrets.token_hex(8), **row)
