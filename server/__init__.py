"""Who asked and what came out: the store, the dispatcher, the API and the command line.

Nothing here imports the compiled core, and nothing here touches a segment but to unlink an orphan: a run is a child
process, JSON in, JSON out, and its crash is a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apiflask import APIFlask

    from server.config import Settings


def create_app(config: Settings | None = None) -> APIFlask:
    """The service as a WSGI application, its database up to date. No dispatcher: server.serve starts one beside it.

    Without `config`, settings come from the environment. Raises SettingsError, DatabaseError.
    """
    from server.app import make_app
    from server.config import load_settings

    return make_app(config or load_settings())
