"""model: what a language model had to do with an attempt, and what that cost"""

import sqlalchemy as sa
from alembic import op

from bot.journal.types import Instant

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "deliberations",
        sa.Column("incident_id", sa.String(40), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("look", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("model", sa.String(200), nullable=False, server_default=""),
        sa.Column("off", sa.String(40), nullable=True),
        sa.Column("calls", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("tool_calls", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("input_tokens", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("output_tokens", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("took_ms", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("cost_microusd", sa.Integer(), nullable=True),
        sa.Column("record", sa.JSON(), nullable=True),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("begun_at", Instant(), nullable=True),
        sa.Column("done_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name=op.f("fk_deliberations_incident_id")),
        sa.PrimaryKeyConstraint("incident_id", "attempt", name=op.f("pk_deliberations")),
    )
    op.create_index("ix_deliberations_done_at", "deliberations", ["done_at"])


def downgrade() -> None:
    op.drop_index("ix_deliberations_done_at", "deliberations")
    op.drop_table("deliberations")
