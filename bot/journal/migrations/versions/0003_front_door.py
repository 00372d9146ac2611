"""front door: episodes that hold and flap, maintenance, changes that move, refusals"""

import sqlalchemy as sa
from alembic import op

from bot.journal.types import Instant

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    _grouping()
    _changes()
    _refusals()


def _grouping() -> None:
    with op.batch_alter_table("incidents") as incidents:
        incidents.add_column(sa.Column("kind", sa.String(20), nullable=False, server_default="ordinary"))
        incidents.add_column(sa.Column("priority", sa.Integer(), nullable=False, server_default="3"))
        incidents.add_column(sa.Column("group_key", sa.String(400), nullable=True))
        incidents.add_column(sa.Column("entity", sa.String(200), nullable=True))
        incidents.add_column(sa.Column("last_alert_at", Instant(), nullable=True))
        incidents.add_column(sa.Column("waiting_on", sa.String(40), nullable=True))
        incidents.add_column(sa.Column("merged_into", sa.String(40), nullable=True))
        incidents.create_index("ix_incidents_environment", ["environment", "opened_at"])
    with op.batch_alter_table("episodes") as episodes:
        episodes.alter_column("incident_id", existing_type=sa.String(40), nullable=True)
        episodes.add_column(sa.Column("state", sa.String(20), nullable=False, server_default="ended"))
        episodes.add_column(sa.Column("at", Instant(), nullable=True))
        episodes.add_column(sa.Column("held_until", Instant(), nullable=True))
        episodes.add_column(sa.Column("turns", sa.JSON(), nullable=False, server_default="[]"))
        episodes.add_column(sa.Column("flapping_until", Instant(), nullable=True))
        episodes.add_column(sa.Column("title", sa.Text(), nullable=False, server_default=""))
        episodes.add_column(sa.Column("severity", sa.String(20), nullable=False, server_default="unknown"))
        episodes.add_column(sa.Column("service", sa.Text(), nullable=True))
        episodes.add_column(sa.Column("environment", sa.Text(), nullable=True))
        episodes.add_column(sa.Column("entity", sa.String(200), nullable=True))
        episodes.create_index("ix_episodes_incident_id", ["incident_id"])
        episodes.create_index("ix_episodes_state", ["state", "held_until"])
        episodes.create_index("ix_episodes_flapping_until", ["flapping_until"])
        episodes.create_index("ix_episodes_entity", ["entity", "last_seen_at"])
    op.execute("UPDATE episodes SET state = 'open' WHERE firing")
    op.create_table(
        "maintenance",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("scope", sa.String(200), nullable=False),
        sa.Column("title", sa.String(200), nullable=False, server_default=""),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("starts_at", Instant(), nullable=False),
        sa.Column("ends_at", Instant(), nullable=False),
        sa.Column("made_by", sa.String(80), nullable=False),
        sa.Column("made_at", Instant(), nullable=False),
        sa.Column("ended_by", sa.String(80), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maintenance")),
    )
    op.create_index("ix_maintenance_ends_at", "maintenance", ["ends_at"])


def _changes() -> None:
    with op.batch_alter_table("changes") as changes:
        changes.alter_column("service", existing_type=sa.Text(), nullable=True)
        changes.alter_column("environment", existing_type=sa.Text(), nullable=True)
        changes.add_column(sa.Column("outcome", sa.String(20), nullable=False, server_default="unknown"))
        changes.add_column(sa.Column("version", sa.Text(), nullable=True))
        changes.create_index("ix_changes_environment", ["environment", "service", "at"])
    # Only what was deployed had a record until now.
    op.execute("UPDATE changes SET outcome = 'succeeded', version = record ->> 'artifact'")


def _no_changes() -> None:
    op.execute("DELETE FROM changes WHERE service IS NULL OR environment IS NULL")
    op.execute("DELETE FROM changes WHERE kind NOT IN ('deploy', 'migration')")
    with op.batch_alter_table("changes") as changes:
        changes.drop_index("ix_changes_environment")
        changes.drop_column("version")
        changes.drop_column("outcome")
        changes.alter_column("environment", existing_type=sa.Text(), nullable=False)
        changes.alter_column("service", existing_type=sa.Text(), nullable=False)


def _refusals() -> None:
    """Deliveries that were refused, counted; and an index by which what is stored is drained in order."""
    op.create_table(
        "refusals",
        sa.Column("source", sa.String(120), nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("minute", Instant(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("source", "reason", "minute", name=op.f("pk_refusals")),
    )
    op.create_index("ix_inbox_state", "inbox", ["state", "id"])
    op.create_table(
        "notices",
        sa.Column("source", sa.String(120), nullable=False),
        sa.Column("trouble", sa.String(20), nullable=False),
        sa.Column("detail", sa.String(300), nullable=False),
        sa.Column("made_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("source", "trouble", name=op.f("pk_notices")),
    )
    op.create_table(
        "notices_told",
        sa.Column("surface", sa.String(40), nullable=False),
        sa.Column("source", sa.String(120), nullable=False),
        sa.Column("trouble", sa.String(20), nullable=False),
        sa.Column("made_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("surface", "source", "trouble", name=op.f("pk_notices_told")),
    )


def downgrade() -> None:
    _no_refusals()
    _no_changes()
    _no_grouping()


def _no_grouping() -> None:
    op.drop_table("maintenance")
    op.execute("DELETE FROM episodes WHERE incident_id IS NULL")
    with op.batch_alter_table("episodes") as episodes:
        for name in ("incident_id", "state", "flapping_until", "entity"):
            episodes.drop_index(f"ix_episodes_{name}")
        for name in ("state", "at", "held_until", "turns", "flapping_until", "title", "severity", "service"):
            episodes.drop_column(name)
        episodes.drop_column("environment")
        episodes.drop_column("entity")
        episodes.alter_column("incident_id", existing_type=sa.String(40), nullable=False)
    with op.batch_alter_table("incidents") as incidents:
        incidents.drop_index("ix_incidents_environment")
        for name in ("kind", "priority", "group_key", "entity", "last_alert_at", "waiting_on", "merged_into"):
            incidents.drop_column(name)


def _no_refusals() -> None:
    op.drop_index("ix_inbox_state", "inbox")
    op.drop_table("notices_told")
    op.drop_table("notices")
    op.drop_table("refusals")
