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

from bot.journal.compressed import Compressed
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
    Index("ix_inbox_state", "state", "id"),
)
"""``state`` is stored, parsed or unreadable, or again (unreadable before, to be read once more); asked and
answered for what the receiver itself has to answer.

Ids sort by the time of arrival. ``taken_at`` of what was unreadable is when it had its turn.
"""

hearings = Table(
    "hearings",
    metadata,
    Column("source", String(120), primary_key=True),
    Column("heartbeat", String(60), primary_key=True),
    Column("heard_at", Instant, nullable=False),
    Column("days", JSON, nullable=False),
)
"""When a source was last heard; ``days`` says of each day how often, and after what longest silence.

``heartbeat`` is the name of an alert that always fires; "" stands for anything at all.
"""

refusals = Table(
    "refusals",
    metadata,
    Column("source", String(120), primary_key=True),
    Column("reason", String(40), primary_key=True),
    Column("minute", Instant, primary_key=True),
    Column("count", Integer, nullable=False),
)
"""How many deliveries a source was refused in a minute, and why; "" is whoever named no source of ours."""

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
    Column("kind", String(20), nullable=False, server_default="ordinary"),
    Column("priority", Integer, nullable=False, server_default="3"),
    Column("group_key", String(400)),
    Column("entity", String(200)),
    Column("last_alert_at", Instant),
    Column("waiting_on", String(40)),
    Column("merged_into", String(40)),
    Index("ix_incidents_state", "state"),
    Index("ix_incidents_environment", "environment", "opened_at"),
)
"""``kind`` is ordinary, storm or entity. ``merged_into`` and ``waiting_on`` are ids of other incidents."""

episodes = Table(
    "episodes",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("source", String(120), nullable=False),
    Column("identity", String(200), nullable=False),
    Column("number", Integer, nullable=False),
    Column("incident_id", ForeignKey("incidents.id")),
    Column("firing", Boolean, nullable=False),
    Column("state", String(20), nullable=False, server_default="ended"),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("at", Instant),
    Column("last_seen_at", Instant, nullable=False),
    Column("held_until", Instant),
    Column("turns", JSON, nullable=False, server_default="[]"),
    Column("flapping_until", Instant),
    Column("title", Text, nullable=False, server_default=""),
    Column("severity", String(20), nullable=False, server_default="unknown"),
    Column("service", Text),
    Column("environment", Text),
    Column("entity", String(200)),
    Column("labels", JSON, nullable=False),
    Column("group_key", String(400)),
    UniqueConstraint("source", "identity", "number"),
    Index("ix_episodes_incident_id", "incident_id"),
    Index("ix_episodes_state", "state", "held_until"),
    Index("ix_episodes_flapping_until", "flapping_until"),
    Index("ix_episodes_entity", "entity", "last_seen_at"),
    Index("ix_episodes_last_seen_at", "last_seen_at"),
    Index("ix_episodes_group", "source", "group_key", "state", "id"),
)
"""``state`` is open, holding (resolved, not believed yet) or ended; ``firing`` is the sender's last word.

``at`` is the sender's own time of the newest event applied; ``turns`` when it changed, newest last. ``group_key``
is the sender's own group. An episode without an incident is a resolved that nobody had seen firing.
"""

maintenance = Table(
    "maintenance",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("scope", String(200), nullable=False),
    Column("title", String(200), nullable=False, server_default=""),
    Column("reason", Text, nullable=False, server_default=""),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("made_by", String(80), nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("ended_by", String(80)),
    Index("ix_maintenance_ends_at", "ends_at"),
)
"""While one covers an alert, the alert opens no incident that anybody is told of. ``scope`` is
``environment/service`` with * and ?; ``title``, where given, the alert's title likewise.
"""

changes = Table(
    "changes",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("service", Text),
    Column("environment", Text),
    Column("at", Instant, nullable=False),
    Column("outcome", String(20), nullable=False, server_default="unknown"),
    Column("version", Text),
    Column("record", JSON, nullable=False),
    Index("ix_changes_at", "at"),
    Index("ix_changes_environment", "environment", "service", "at"),
)
"""One row a change, which moves with what its sender tells. Without service or environment it is unplaced."""

blobs = Table(
    "blobs",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("bytes", Compressed, nullable=False),
)
"""``sha256`` is of the bytes as they were, not as they are kept. A row is never changed."""

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
    Column("topic", String(64)),
    Index("ix_evidence_incident_id", "incident_id"),
)
"""``topic`` is who was asked what: of two answers with one topic the later takes the place of the earlier.

It is empty for what was kept before there was a chain.
"""

chain = Table(
    "chain",
    metadata,
    Column("incident_id", ForeignKey("incidents.id"), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("previous", String(64), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("subject", String(40), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("actor", String(80), nullable=False),
    Column("at", Instant, nullable=False),
    Column("hash", String(64), nullable=False),
)
"""What was kept of an incident, in order. ``subject`` is the id of evidence or of a finding, as ``kind`` says."""

findings = Table(
    "findings",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("incident_id", ForeignKey("incidents.id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("look", Integer, nullable=False),
    Column("record", JSON, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("linked", Boolean),
    UniqueConstraint("incident_id", "attempt", "look"),
)
"""``linked`` is empty for what was made before there was a chain."""

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
    Index("ix_action_runs_incident_id", "incident_id"),
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

deliberations = Table(
    "deliberations",
    metadata,
    Column("incident_id", ForeignKey("incidents.id"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("look", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("model", String(200), nullable=False, server_default=""),
    Column("off", String(40)),
    Column("calls", Integer, nullable=False, server_default="0"),
    Column("tool_calls", Integer, nullable=False, server_default="0"),
    Column("input_tokens", Integer, nullable=False, server_default="0"),
    Column("output_tokens", Integer, nullable=False, server_default="0"),
    Column("took_ms", Integer, nullable=False, server_default="0"),
    Column("cost_microusd", Integer),
    Column("record", JSON),
    Column("due_at", Instant, nullable=False),
    Column("begun_at", Instant),
    Column("done_at", Instant),
    Index("ix_deliberations_done_at", "done_at"),
)
"""A model's part in an attempt, at most one: due, begun, done. ``off`` is why it had none; no cost is unknown."""

notices = Table(
    "notices",
    metadata,
    Column("source", String(120), primary_key=True),
    Column("trouble", String(20), primary_key=True),
    Column("detail", String(300), nullable=False),
    Column("made_at", Instant, nullable=False),
)
"""What is wrong with a source, to be told to its owner once."""

notices_told = Table(
    "notices_told",
    metadata,
    Column("surface", String(40), primary_key=True),
    Column("source", String(120), primary_key=True),
    Column("trouble", String(20), primary_key=True),
    Column("made_at", Instant, nullable=False),
)

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
