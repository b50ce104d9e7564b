"""Studies, readers, sittings, and votes that cannot be changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_REFUSAL = "votes are never changed or deleted"


def upgrade() -> None:
    """Make the tables and the triggers that keep votes as they are."""
    op.create_table(
        "study",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False, unique=True),
        sa.Column("created", _TIME, nullable=False),
    )
    op.create_table(
        "reader",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("study_id", sa.Integer, sa.ForeignKey("study.id"), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("token_sha256", sa.String(64), unique=True),
        sa.Column("created", _TIME, nullable=False),
        sa.UniqueConstraint("study_id", "name"),
    )
    op.create_table(
        "sitting",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("reader_id", sa.Integer, sa.ForeignKey("reader.id"), nullable=False),
        sa.Column("secret_sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("started", _TIME, nullable=False),
        sa.Column("ended", _TIME),
    )
    _create_votes()
    _refuse_changes()


def _create_votes() -> None:
    op.create_table(
        "vote",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("study_id", sa.Integer, sa.ForeignKey("study.id"), nullable=False),
        sa.Column("reader_id", sa.Integer, sa.ForeignKey("reader.id"), nullable=False),
        sa.Column("sitting_id", sa.Integer, sa.ForeignKey("sitting.id"), nullable=False),
        sa.Column("cast_at", _TIME, nullable=False),
        sa.Column("figure", sa.Text, nullable=False),
        sa.Column("image", sa.Text, nullable=False),
        sa.Column("call", sa.String(20)),
        sa.Column("subtype", sa.String(40)),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("undoes", sa.Integer, sa.ForeignKey("vote.id")),
        sa.Column("batch", sa.String(64)),
        sa.Column("request", sa.String(64), nullable=False),
        sa.Column("model_shown", sa.Boolean, nullable=False),
        sa.Column("map_shown", sa.Boolean, nullable=False),
        sa.Column("view", sa.String(20), nullable=False),
        sa.Column("sort", sa.String(40), nullable=False),
        sa.Column("filters", sa.Text, nullable=False),
        sa.Column("model_sha256", sa.String(64)),
        sa.Column("model_prediction", sa.String(3)),
        sa.Column("model_p_amf", sa.Float),
        sa.UniqueConstraint("reader_id", "request", "figure"),
    )
    op.create_index("ix_vote_study_id_id", "vote", ["study_id", "id"])


def _refuse_changes() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$"
        )
        op.execute(
            "CREATE TRIGGER vote_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON vote "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        return
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER vote_no_{change.lower()} BEFORE {change} ON vote "
            f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
        )
