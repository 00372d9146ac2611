"""Brings a surface up to what the journal says: level by level, so that a lost edit is made good by the next."""

from collections.abc import Sequence

from sqlalchemy import or_, select

from actions.policy import People
from agents.incident.ids import IncidentId
from bot.journal import tables as t
from bot.journal.journal import Journal
from bot.surfaces.cards import card
from bot.surfaces.ports import Surface
from bot.surfaces.timeline import line


def speak(journal: Journal, surface: Surface, people: People) -> Sequence[IncidentId]:
    """Post, edit and add detail for every incident that moved. Returns which."""
    with journal.read() as tx:
        rows = tx.all(
            select(t.incidents.c.id, t.messages.c.ref, t.messages.c.event_number)
            .outerjoin(
                t.messages,
                (t.messages.c.incident_id == t.incidents.c.id) & (t.messages.c.surface == surface.name),
            )
            .where(
                or_(
                    t.messages.c.card_version.is_(None),
                    t.messages.c.card_version < t.incidents.c.card_version,
                )
            )
            .order_by(t.incidents.c.id)
        )
    for row in rows:
        _bring(journal, surface, people, IncidentId(row["id"]), row["ref"], row["event_number"] or 0)
    return [IncidentId(r["id"]) for r in rows]


def _bring(
    journal: Journal, surface: Surface, people: People, incident_id: IncidentId, ref: str | None, after: int
) -> None:
    with journal.read() as tx:
        made = card(tx, incident_id, people)
        events = tx.all(
            select(t.events)
            .where(t.events.c.incident_id == incident_id, t.events.c.number > after)
            .order_by(t.events.c.number)
        )
    shown = surface.show(made, ref)
    for event in events:
        surface.detail(shown, line(event))
    last = events[-1]["number"] if events else after
    with journal.write("card.shown") as tx:
        values = {"ref": shown, "card_version": made.version, "event_number": last}
        known = tx.one(
            select(t.messages).where(t.messages.c.surface == surface.name, t.messages.c.incident_id == incident_id)
        )
        if known is None:
            tx.run(t.messages.insert().values(surface=surface.name, incident_id=incident_id, **values))
        else:
            tx.run(
                t.messages.update()
                .where(t.messages.c.surface == surface.name, t.messages.c.incident_id == incident_id)
                .values(**values)
            )
        if made.reported:
            tx.run(
                t.messages.update()
                .where(
                    t.messages.c.surface == surface.name,
                    t.messages.c.incident_id == incident_id,
                    t.messages.c.finding_at.is_(None),
                )
                .values(finding_at=tx.now)
            )
