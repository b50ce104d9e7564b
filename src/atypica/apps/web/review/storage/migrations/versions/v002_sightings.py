"""Of which figures a reader was sent the model's opinion."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "002"
down_revision = "001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and fill it with what the votes tell."""
    op.create_table(
        "sighting",
        sa.Column("reader_id", sa.Integer, sa.ForeignKey("reader.id"), primary_key=True),
        sa.Column("figure", sa.Text, primary_key=True),
        sa.Column("shown_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.execute(
        "INSERT INTO sighting (reader_id, figure, shown_at) "
        "SELECT reader_id, figure, MIN(cast_at) FROM vote WHERE model_shown GROUP BY reader_id, figure"
    )
