"""A secret for each study, with which the keys of its figures are made."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "003"
down_revision = "002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, and a secret for each study that is there."""
    op.add_column("study", sa.Column("secret", sa.String(64), nullable=False, server_default=""))
    study = sa.table("study", sa.column("id"), sa.column("secret"))
    connection = op.get_bind()
    for number in connection.scalars(sa.select(study.c.id)).all():
        connection.execute(study.update().where(study.c.id == number).values(secret=secrets.token_hex(32)))
