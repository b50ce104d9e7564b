"""Run by Alembic: brings the database that is already connected to the newest version."""

from __future__ import annotations

from alembic import context

from atypica.apps.web.review.storage.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
