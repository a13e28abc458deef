"""The application put together from its parts."""

from __future__ import annotations

from apiflask import APIFlask

from server import errors, guard, openapi, pages
from server.api import blueprints, etags
from server.api.common import EXTENSION, IdConverter, Service
from server.config import Settings
from server.events import Streams
from server.metrics import Metrics
from server.readiness import Readiness
from server.store import open_store
from server.version import version

DESCRIPTION = "Races of Linux swap-in synchronization protocols: runs, studies, and comparisons of them."


def make_app(settings: Settings) -> APIFlask:
    """The application for `settings`; its database is made or migrated. Raises DatabaseError."""
    app = APIFlask("server", title="swaprace", version=version(), docs_path=None)
    app.url_map.converters["int"] = IdConverter
    app.config.update(
        DESCRIPTION=DESCRIPTION,
        OPENAPI_VERSION="3.1.0",
        MAX_CONTENT_LENGTH=settings.max_body_bytes,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        AUTO_404_RESPONSE=False,
        AUTO_SERVERS=False,
        AUTO_OPERATION_ID=True,
    )
    store = open_store(settings.database_url)
    app.extensions[EXTENSION] = Service(
        store=store,
        settings=settings,
        metrics=Metrics(store),
        streams=Streams(settings.threads),
        readiness=Readiness(store, settings),
    )
    errors.register(app)
    guard.register(app)
    etags.register(app)  # after the guard, whose marks are put on last
    openapi.register(app)
    for blueprint in blueprints():
        app.register_blueprint(blueprint)
    pages.register(app)
    return app
