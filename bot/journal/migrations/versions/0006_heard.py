"""heard: when each source was heard, and which alerts their sender groups"""

import sqlalchemy as sa
from alembic import op

from bot.journal.types import Instant

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "hearings",
        sa.Column("source", sa.String(120), nullable=False),
        sa.Column("heartbeat", sa.String(60), nullable=False),
        sa.Column("heard_at", Instant(), nullable=False),
        sa.Column("days", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("source", "heartbeat", name=op.f("pk_hearings")),
    )
    op.add_column("episodes", sa.Column("group_key", sa.String(400), nullable=True))
    op.create_index("ix_episodes_last_seen_at", "episodes", ["last_seen_at"])
    op.create_index("ix_episodes_group", "episodes", ["source", "group_key", "state", "id"])
    op.create_index("ix_action_runs_incident_id", "action_runs", ["incident_id"])


def downgrade() -> None:
    op.drop_index("ix_action_runs_incident_id", "action_runs")
    op.drop_index("ix_episodes_group", "episodes")
    op.drop_index("ix_episodes_last_seen_at", "episodes")
    with op.batch_alter_table("episodes") as episodes:
        episodes.drop_column("group_key")
    op.drop_table("hearings")
