"""evidence: one chain of hashes an incident, and which answer an answer takes the place of"""

import sqlalchemy as sa
from alembic import op

from bot.journal.types import Instant

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    with op.batch_alter_table("evidence") as evidence:
        evidence.add_column(sa.Column("topic", sa.String(64), nullable=True))
    with op.batch_alter_table("findings") as findings:
        findings.add_column(sa.Column("linked", sa.Boolean(), nullable=True))
    op.create_table(
        "chain",
        sa.Column("incident_id", sa.String(40), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("subject", sa.String(40), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name=op.f("fk_chain_incident_id")),
        sa.PrimaryKeyConstraint("incident_id", "sequence", name=op.f("pk_chain")),
    )


def downgrade() -> None:
    op.drop_table("chain")
    with op.batch_alter_table("evidence") as evidence:
        evidence.drop_column("topic")
    with op.batch_alter_table("findings") as findings:
        findings.drop_column("linked")
