"""How Alembic reaches the database: over the connection that server.db.upgrade opened. There is no alembic.ini."""

from __future__ import annotations

from alembic import context

from server.models import metadata


def migrate() -> None:
    """Run the wanted migrations in the transaction of the given connection, which whoever called commits."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    context.run_migrations()


migrate()
