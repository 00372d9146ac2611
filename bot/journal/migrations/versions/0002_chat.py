"""chat: messages, accounts, stops, escalations"""

import sqlalchemy as sa
from alembic import op

import bot.journal.types

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("surface", sa.String(length=40), nullable=False),
        sa.Column("account", sa.String(length=120), nullable=False),
        sa.Column("person_id", sa.String(length=80), nullable=False),
        sa.Column("linked_at", bot.journal.types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("surface", "account", name=op.f("pk_accounts")),
    )
    op.create_table(
        "codes",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("person_id", sa.String(length=80), nullable=False),
        sa.Column("made_at", bot.journal.types.Instant(), nullable=False),
        sa.Column("expires_at", bot.journal.types.Instant(), nullable=False),
        sa.Column("used_at", bot.journal.types.Instant(), nullable=True),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_codes")),
    )
    op.create_table(
        "speakers",
        sa.Column("surface", sa.String(length=40), nullable=False),
        sa.Column("holder", sa.String(length=80), nullable=False),
        sa.Column("until", bot.journal.types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("surface", name=op.f("pk_speakers")),
    )
    op.create_table(
        "selftests",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("surface", sa.String(length=40), nullable=False),
        sa.Column("ref", sa.String(length=400), nullable=False),
        sa.Column("posted_at", bot.journal.types.Instant(), nullable=False),
        sa.Column("pressed_at", bot.journal.types.Instant(), nullable=True),
        sa.Column("account", sa.String(length=120), nullable=True),
        sa.Column("answered_at", bot.journal.types.Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_selftests")),
    )
    op.create_table(
        "sessions",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=80), nullable=False),
        sa.Column("made_at", bot.journal.types.Instant(), nullable=False),
        sa.Column("expires_at", bot.journal.types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_sessions")),
    )
    op.create_table(
        "stops",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("scope", sa.String(length=200), nullable=False),
        sa.Column("stopped_by", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", bot.journal.types.Instant(), nullable=False),
        sa.Column("lifted_by", sa.String(length=80), nullable=True),
        sa.Column("lifted_at", bot.journal.types.Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stops")),
    )
    op.create_table(
        "escalations",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("incident_id", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("opened_at", bot.journal.types.Instant(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("next_at", bot.journal.types.Instant(), nullable=False),
        sa.Column("acked_by", sa.String(length=80), nullable=True),
        sa.Column("acked_at", bot.journal.types.Instant(), nullable=True),
        sa.Column("closed_at", bot.journal.types.Instant(), nullable=True),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name=op.f("fk_escalations_incident_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_escalations")),
    )
    with op.batch_alter_table("escalations", schema=None) as batch_op:
        batch_op.create_index("ix_escalations_incident_id", ["incident_id"], unique=False)

    op.create_table(
        "views",
        sa.Column("surface", sa.String(length=40), nullable=False),
        sa.Column("incident_id", sa.String(length=40), nullable=False),
        sa.Column("card_version", sa.Integer(), nullable=False),
        sa.Column("event_number", sa.Integer(), nullable=False),
        sa.Column("finding_at", bot.journal.types.Instant(), nullable=True),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name=op.f("fk_views_incident_id")),
        sa.PrimaryKeyConstraint("surface", "incident_id", name=op.f("pk_views")),
    )
    op.create_table(
        "feedback",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("incident_id", sa.String(length=40), nullable=False),
        sa.Column("finding_id", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.String(length=80), nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("at", bot.journal.types.Instant(), nullable=False),
        sa.ForeignKeyConstraint(["finding_id"], ["findings.id"], name=op.f("fk_feedback_finding_id")),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name=op.f("fk_feedback_incident_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
    )
    op.create_table(
        "pages",
        sa.Column("escalation_id", sa.String(length=40), nullable=False),
        sa.Column("pager", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(length=20), nullable=False),
        sa.Column("sent_at", bot.journal.types.Instant(), nullable=False),
        sa.ForeignKeyConstraint(["escalation_id"], ["escalations.id"], name=op.f("fk_pages_escalation_id")),
        sa.PrimaryKeyConstraint("escalation_id", "pager", "number", name=op.f("pk_pages")),
    )
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.add_column(sa.Column("taken_at", bot.journal.types.Instant(), nullable=True))
        batch_op.add_column(sa.Column("reply", sa.JSON(), nullable=True))

    with op.batch_alter_table("approvals", schema=None) as batch_op:
        batch_op.add_column(sa.Column("holds", sa.Integer(), server_default="0", nullable=False))

    with op.batch_alter_table("incidents", schema=None) as batch_op:
        batch_op.add_column(sa.Column("asked_by", sa.String(length=80), nullable=True))
        batch_op.add_column(sa.Column("window_s", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("owner", sa.String(length=80), nullable=True))
        batch_op.add_column(sa.Column("owned_at", bot.journal.types.Instant(), nullable=True))

    op.execute(
        "INSERT INTO views (surface, incident_id, card_version, event_number, finding_at) "
        "SELECT surface, incident_id, card_version, event_number, finding_at FROM messages"
    )
    # Only the terminal posted until now, and a terminal's messages end with it.
    op.drop_table("messages")
    op.create_table(
        "messages",
        sa.Column("surface", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("incident_id", sa.String(length=40), nullable=False),
        sa.Column("ref", sa.String(length=400), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("posted_at", bot.journal.types.Instant(), nullable=False),
        sa.Column("shown_at", bot.journal.types.Instant(), nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name=op.f("fk_messages_incident_id")),
        sa.PrimaryKeyConstraint("surface", "key", name=op.f("pk_messages")),
    )
    op.create_index("ix_messages_incident_id", "messages", ["incident_id"], unique=False)


def downgrade() -> None:
    op.drop_table("messages")
    op.create_table(
        "messages",
        sa.Column("surface", sa.String(length=40), nullable=False),
        sa.Column("incident_id", sa.String(length=40), nullable=False),
        sa.Column("ref", sa.String(length=200), nullable=True),
        sa.Column("card_version", sa.Integer(), nullable=False),
        sa.Column("event_number", sa.Integer(), nullable=False),
        sa.Column("finding_at", bot.journal.types.Instant(), nullable=True),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name=op.f("fk_messages_incident_id")),
        sa.PrimaryKeyConstraint("surface", "incident_id", name=op.f("pk_messages")),
    )
    op.execute(
        "INSERT INTO messages (surface, incident_id, card_version, event_number, finding_at) "
        "SELECT surface, incident_id, card_version, event_number, finding_at FROM views"
    )
    with op.batch_alter_table("incidents", schema=None) as batch_op:
        for column in ("owned_at", "owner", "window_s", "asked_by"):
            batch_op.drop_column(column)
    with op.batch_alter_table("approvals", schema=None) as batch_op:
        batch_op.drop_column("holds")
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.drop_column("reply")
        batch_op.drop_column("taken_at")
    for table in ("pages", "feedback", "views", "escalations", "stops", "sessions"):
        op.drop_table(table)
    for table in ("speakers", "selftests", "codes", "accounts"):
        op.drop_table(table)
