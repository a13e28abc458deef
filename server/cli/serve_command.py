"""`swaprace serve`: REST API, web pages and dispatcher."""

from __future__ import annotations

import click

from server.cli.exits import CommandError
from server.cli.output import json_option, print_json
from server.cli.results import db_option, settings_for
from server.db import DatabaseError


@click.command("serve")
@click.option("--host", default=None, help="Address to listen on; SWAPRACE_HOST, or 127.0.0.1.")
@click.option("--port", type=click.IntRange(1, 65535), default=None, help="Port; SWAPRACE_PORT, or 8000.")
@db_option
@json_option
def serve(host: str | None, port: int | None, db: str | None, as_json: bool) -> None:
    """Serve the REST API and run what is queued, until Ctrl-C."""
    settings = settings_for(db, host=host, port=port)
    name = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{name}:{settings.port}"

    def say() -> None:
        if as_json:
            places = {"url": address, "api": f"{address}/api/v1", "docs": f"{address}/docs"}
            print_json({**places, "database": settings.database_name})
        else:
            docs = f"documented at {address}/docs"
            click.echo(f"serving {address}/api/v1, {docs}; database {settings.database_name}", err=True)

    from server.serve import RefusedToServe
    from server.serve import serve as serve_until_stopped

    try:
        serve_until_stopped(settings, on_ready=say)
    except (RefusedToServe, DatabaseError) as error:
        raise CommandError(str(error)) from error
