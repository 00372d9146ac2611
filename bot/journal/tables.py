"""Every table of the journal. What a row is, and what it is unique on, is the contract of ``acting``."""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from bot.journal.types import Instant

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

inbox = Table(
    "inbox",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("source", String(120), nullable=False),
    Column("system", String(40), nullable=False),
    Column("delivery_key", String(200)),
    Column("headers", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("state", String(20), nullable=False),
    Column("error", Text, nullable=False, default=""),
    Column("taken_at", Instant),
    Column("reply", JSON),
    UniqueConstraint("source", "delivery_key"),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("source", String(120), nullable=False),
    Column("identity", String(200), nullable=False),
    Column("title", Text, nullable=False),
    Column("severity", String(20), nullable=False),
    Column("service", Text),
    Column("environment", Text),
    Column("summary", Text, nullable=False),
    Column("state", String(20), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("card_version", Integer, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("alert_started_at", Instant, nullable=False),
    Column("alert_firing", Boolean, nullable=False),
    Column("state_since", Instant, nullable=False),
    Column("heartbeat_at", Instant),
    Column("triage_tries", Integer, nullable=False, default=0),
    Column("look", Integer, nullable=False, default=1),
    Column("look_at", Instant),
    Column("reason", Text, nullable=False, default=""),
    Column("asked_by", String(80)),
    Column("window_s", Integer),
    Column("owner", String(80)),
    Column("owned_at", Instant),
    Index("ix_incidents_state", "state"),
)

episodes = Table(
    "episodes",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("source", String(120), nullable=False),
    Column("identity", String(200), nullable=False),
    Column("number", Integer, nullable=False),
    Column("incident_id", ForeignKey("incidents.id"), nullable=False),
    Column("firing", Boolean, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("last_seen_at", Instant, nullable=False),
    Column("labels", JSON, nullable=False),
    UniqueConstraint("source", "identity", "number"),
)

changes = Table(
    "changes",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("service", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("record", JSON, nullable=False),
    Index("ix_changes_at", "at"),
)

blobs = Table(
    "blobs",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("bytes", LargeBinary, nullable=False),
)

evidence = Table(
    "evidence",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("incident_id", ForeignKey("incidents.id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("look", Integer, nullable=False),
    Column("purpose", String(20), nullable=False),
    Column("blob_sha256", ForeignKey("blobs.sha256"), nullable=False),
    Column("record", JSON, nullable=False),
    Column("fetched_at", Instant, nullable=False),
    Index("ix_evidence_incident_id", "incident_id"),
)

findings = Table(
    "findings",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("incident_id", ForeignKey("incidents.id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("look", Integer, nullable=False),
    Column("record", JSON, nullable=False),
    Column("made_at", Instant, nullable=False),
    UniqueConstraint("incident_id", "attempt", "look"),
)

proposals = Table(
    "proposals",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("incident_id", ForeignKey("incidents.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("action", String(80), nullable=False),
    Column("plan_hash", String(64), nullable=False),
    Column("record", JSON, nullable=False),
    Column("made_at", Instant, nullable=False),
    UniqueConstraint("incident_id", "number"),
)

action_runs = Table(
    "action_runs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("proposal_id", ForeignKey("proposals.id"), nullable=False, unique=True),
    Column("incident_id", ForeignKey("incidents.id"), nullable=False),
    Column("state", String(20), nullable=False),
    Column("version", Integer, nullable=False),
    Column("try", Integer, nullable=False),
    Column("generation", Integer),
    Column("counter", Integer),
    Column("state_since", Instant, nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Index("ix_action_runs_state", "state"),
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("proposal_id", ForeignKey("proposals.id"), nullable=False),
    Column("run_id", ForeignKey("action_runs.id"), nullable=False),
    Column("round", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("quorum", Integer, nullable=False),
    Column("plan_hash", String(64), nullable=False),
    Column("deadline", Instant, nullable=False),
    Column("decided_at", Instant),
    Column("decided_by", Text),
    Column("reason", Text, nullable=False, default=""),
    Column("holds", Integer, nullable=False, server_default="0"),
    UniqueConstraint("proposal_id", "round"),
)

votes = Table(
    "votes",
    metadata,
    Column("approval_id", ForeignKey("approvals.id"), primary_key=True),
    Column("person_id", String(80), primary_key=True),
    Column("verdict", String(20), nullable=False),
    Column("at", Instant, nullable=False),
    Column("surface", String(40), nullable=False),
    Column("reason", Text, nullable=False, default=""),
)

steps = Table(
    "steps",
    metadata,
    Column("run_id", ForeignKey("action_runs.id"), primary_key=True),
    Column("kind", String(10), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("state", String(20), nullable=False),
    Column("key", String(80), nullable=False, unique=True),
    Column("request", JSON, nullable=False),
    Column("answer", JSON),
    Column("intended_at", Instant, nullable=False),
    Column("done_at", Instant),
)

undo = Table(
    "undo",
    metadata,
    Column("run_id", ForeignKey("action_runs.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("request", JSON),
    Column("captured", JSON, nullable=False),
    Column("written_at", Instant, nullable=False),
)

verifications = Table(
    "verifications",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("run_id", ForeignKey("action_runs.id"), nullable=False, unique=True),
    Column("criteria", JSON, nullable=False),
    Column("outcome", String(20)),
    Column("opened_at", Instant, nullable=False),
    Column("next_at", Instant),
    Column("deadline", Instant),
)

samples = Table(
    "samples",
    metadata,
    Column("verification_id", ForeignKey("verifications.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("record", JSON, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("job", String(40), nullable=False),
    Column("subject", String(80), nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("sent_at", Instant),
    Index("ix_outbox_sent_at", "sent_at"),
)

events = Table(
    "events",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("incident_id", ForeignKey("incidents.id"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("actor", String(120), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("data", JSON, nullable=False),
    Index("ix_events_incident_id", "incident_id"),
)

views = Table(
    "views",
    metadata,
    Column("surface", String(40), primary_key=True),
    Column("incident_id", ForeignKey("incidents.id"), primary_key=True),
    Column("card_version", Integer, nullable=False),
    Column("event_number", Integer, nullable=False),
    Column("finding_at", Instant),
)
"""How far a surface has told an incident."""

messages = Table(
    "messages",
    metadata,
    Column("surface", String(40), primary_key=True),
    Column("key", String(120), primary_key=True),
    Column("incident_id", ForeignKey("incidents.id"), nullable=False),
    Column("ref", String(400), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("posted_at", Instant, nullable=False),
    Column("shown_at", Instant, nullable=False),
    Index("ix_messages_incident_id", "incident_id"),
)
"""What a surface shows, message by message, and what it last said (by digest)."""

speakers = Table(
    "speakers",
    metadata,
    Column("surface", String(40), primary_key=True),
    Column("holder", String(80), nullable=False),
    Column("until", Instant, nullable=False),
)
"""Which process speaks on a surface now; of several only one does."""

accounts = Table(
    "accounts",
    metadata,
    Column("surface", String(40), primary_key=True),
    Column("account", String(120), primary_key=True),
    Column("person_id", String(80), nullable=False),
    Column("linked_at", Instant, nullable=False),
)
"""Accounts that people linked themselves, beside those in config/people.yaml."""

codes = Table(
    "codes",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("purpose", String(20), nullable=False),
    Column("person_id", String(80), nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
)
"""One-time codes, by their hash: ``link`` an account, ``login`` to the page."""

sessions = Table(
    "sessions",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("person_id", String(80), nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
)

stops = Table(
    "stops",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("scope", String(200), nullable=False),
    Column("stopped_by", String(80), nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("at", Instant, nullable=False),
    Column("lifted_by", String(80)),
    Column("lifted_at", Instant),
)
"""The stop switch: while a row is not lifted nothing in its scope (``*``, or a service) is run."""

feedback = Table(
    "feedback",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("incident_id", ForeignKey("incidents.id"), nullable=False),
    Column("finding_id", ForeignKey("findings.id"), nullable=False),
    Column("person_id", String(80), nullable=False),
    Column("verdict", String(20), nullable=False),
    Column("cause", Text, nullable=False, default=""),
    Column("at", Instant, nullable=False),
)

escalations = Table(
    "escalations",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("incident_id", ForeignKey("incidents.id"), nullable=False),
    Column("reason", Text, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("times", Integer, nullable=False),
    Column("next_at", Instant, nullable=False),
    Column("acked_by", String(80)),
    Column("acked_at", Instant),
    Column("closed_at", Instant),
    Index("ix_escalations_incident_id", "incident_id"),
)
"""A person is asked for, again and again until somebody says that they have it."""

pages = Table(
    "pages",
    metadata,
    Column("escalation_id", ForeignKey("escalations.id"), primary_key=True),
    Column("pager", String(40), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("event", String(20), nullable=False),
    Column("sent_at", Instant, nullable=False),
)
"""What was told to a pager outside chat."""

selftests = Table(
    "selftests",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("surface", String(40), nullable=False),
    Column("ref", String(400), nullable=False),
    Column("posted_at", Instant, nullable=False),
    Column("pressed_at", Instant),
    Column("account", String(120)),
    Column("answered_at", Instant),
)
"""The "press me" cards of ``firstresponder doctor --chat``."""

lock_service = Table(
    "lock_service",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("run_id", String(80), nullable=False),
    Column("since", Instant, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("resource", String(200), primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("counter", Integer, nullable=False),
)
