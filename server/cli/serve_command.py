"""`swaprace serve`: REST API, web pages and dispatcher."""

from __future__ import annotations

import click

from server.cli.output import json_option, print_json
from server.cli.results import db_option, settings_for


@click.command("serve")
@click.option("--host", default=None, help="Loopback address to listen on; SWAPRACE_HOST, or 127.0.0.1.")
@click.option("--port", type=click.IntRange(1, 65535), default=None, help="Port; SWAPRACE_PORT, or 8000.")
@db_option
@json_option
def serve(host: str | None, port: int | None, db: str | None, as_json: bool) -> None:
    """Serve the REST API and run what is queued, until Ctrl-C."""
    settings = settings_for(db, host=host, port=port)
    address = f"http://{settings.host}:{settings.port}"
    if as_json:
        places = {"url": address, "api": f"{address}/api/v1", "docs": f"{address}/docs"}
        print_json({**places, "database": str(settings.database)})
    else:
        click.echo(f"serving {address}/api/v1, documented at {address}/docs; database {settings.database}", err=True)
    from server.serve import serve as serve_until_stopped

    serve_until_stopped(settings)
