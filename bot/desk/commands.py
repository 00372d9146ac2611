"""Words to a verb and its arguments. Parsed, never interpreted: free text reaches no probe and no action."""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import ColumnElement, select

from actions.approval import Press, Rejection, Verdict
from actions.policy import Person
from agents.incident.catalogue import Service
from agents.incident.clock import now
from agents.incident.errors import BadInput
from agents.incident.ids import ApprovalId, IncidentId
from agents.incident.redaction import redact
from bot import walk
from bot.desk import group, presses, reading, spans, steer, tell, whole
from bot.desk import words as free
from bot.journal import access, approvals, directory, incidents
from bot.journal import tables as t
from bot.journal.incidents import OVER
from bot.journal.journal import Tx
from bot.surfaces.ports import Asker, Reply, Typed
from bot.wiring.parts import DecideParts, DeskParts


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A command as typed: who, where, the words after the verb, and the delivery it came as."""

    asker: Asker
    person: Person
    words: tuple[str, ...]
    parts: DeskParts
    delivery: str = ""

    @property
    def text(self) -> str:
        """The words as one."""
        return " ".join(self.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """``role`` is what the person needs at least; ``private`` whether it works in a private chat with the bot."""

    does: Callable[[Said], Reply]
    example: str
    says: str
    role: str = "viewer"
    private: bool = True


_INCIDENT = re.compile(r"INC_[0-9A-Z]{26}")
_EPISODE = re.compile(r"EP_[0-9A-Z]{26}")
_APPROVAL = re.compile(r"AP_[0-9A-Z]{26}")


def verb_of(text: str) -> tuple[str, tuple[str, ...]]:
    """The verb and the words after it. ``/fr``, ``/verb@bot`` and a leading slash mean the same."""
    words = text.strip().split()
    if words and words[0].lstrip("/").partition("@")[0].lower() in {"fr", "firstresponder"}:
        words = words[1:]
    if not words:
        return "help", ()
    return words[0].lstrip("/").partition("@")[0].lower(), tuple(words[1:])


def _word(text: str, name: str) -> str:
    """The word that was taken for a command, without the secret that it may have been."""
    # In small letters many look like none.
    written = next((w for w in text.split() if name in w.lower()), name).lstrip("/")
    clean = redact(written)
    return (name if clean == written else clean)[:40]


def run(typed: Typed, person: Person | None, parts: DeskParts) -> Reply:
    """One command, done and answered. An unknown verb is answered with the nearest ones."""
    name, words = verb_of(typed.text)
    meant = ALIASES.get(name, name)
    verb = VERBS.get(meant)
    if meant == "link":
        return _link(typed.asker, words, parts)
    assert person is not None  # noqa: S101  # the desk let nobody unknown in
    if verb is None:
        near = difflib.get_close_matches(name, [*VERBS, *ALIASES], n=3, cutoff=0.4) or [
            "help",
            "incidents",
            "diagnose",
        ]
        return Reply(text=f"I do not know {_word(typed.text, name)!r}. Did you mean: {', '.join(near)}?")
    if typed.asker.private and not verb.private:
        return Reply(text=f"{name} works in the channels I am in, where others see it.")
    if verb.role == "responder" and not steer.may_respond(person):
        return steer.refuse(person, "responder")
    if verb.role not in {"viewer", "responder"} and not person.may(verb.role):
        return steer.refuse(person, verb.role)
    return verb.does(Said(asker=typed.asker, person=person, words=words, parts=parts, delivery=typed.delivery))


def _incident(said: Said, *, words: tuple[str, ...] | None = None) -> IncidentId:
    """The incident that is named, or the newest open one of this thread or place.

    Words that name no incident mean none: the newest is taken for nobody who meant another.
    """
    named = _named(said.text)
    if named is not None:
        return named
    meant = said.words if words is None else words
    if meant:
        raise BadInput(f"“{' '.join(meant)[:80]}” names no incident; /incidents lists them")
    with said.parts.journal.read() as tx:
        if said.asker.thread:
            here = tx.one(
                select(t.messages.c.incident_id)
                .where(t.messages.c.surface == said.asker.surface, t.messages.c.ref.contains(said.asker.thread))
                .limit(1)
            )
            if here is not None:
                return IncidentId(here["incident_id"])
        newest = _newest_open(tx)
    if newest is None:
        raise BadInput("no incident is named and none is open; /incidents all lists earlier ones")
    return newest


def _named(text: str) -> IncidentId | None:
    """The incident whose id stands in *text*; the first of several."""
    found = _INCIDENT.search(text.upper())
    return IncidentId(found.group(0)) if found is not None else None


def _apart(words: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Words that are meant to name an incident, and the others."""
    meant = tuple(w for w in words if w.upper().startswith("INC_"))
    return meant, tuple(w for w in words if w not in meant)


def _newest_open(tx: Tx, *where: ColumnElement[bool]) -> IncidentId | None:
    row = tx.one(
        select(t.incidents.c.id)
        .where(t.incidents.c.state.not_in([s.value for s in OVER]), *where)
        .order_by(t.incidents.c.id.desc())
        .limit(1)
    )
    return IncidentId(row["id"]) if row is not None else None


def _possible(words: tuple[str, ...]) -> None:
    """Refuse a duration in one word at the end that no window has."""
    span = spans.span(words[-1]) if words else None
    if span is not None and not timedelta(0) < span <= spans.LONGEST:
        raise BadInput(f"a window is at most {spans.LONGEST.total_seconds() / 3600:g} h; {words[-1]} is not")


def _service(said: Said, words: tuple[str, ...], told: Sequence[Service] | None = None) -> Service:
    """The one service that is named among the words, with or without its environment.

    Args:
        told: The services of which may be said that they exist; all of them, where it is not given.
    """
    services = said.parts.catalogue().services
    asked = {w.strip(".,?!'\"`").lower() for w in words}
    exact = [s for s in services if s.id.lower() in asked]
    named = exact or [s for s in services if s.name.lower() in asked]
    narrowed = [s for s in named if s.environment.lower() in asked] or named
    if len(narrowed) == 1:
        return narrowed[0]
    if len(narrowed) > 1:
        raise BadInput(
            f"several are meant: {', '.join(s.id for s in narrowed[:8])}; name one with its environment"
        )
    known = services if told is None else told
    near = difflib.get_close_matches(" ".join(words).lower(), [s.name for s in known], n=3, cutoff=0.5)
    named_so = ", ".join(near or [s.id for s in known[:8]]) or "none that you may ask about"
    raise reading.Unplaced(
        f"no service of config/services.yaml is named in “{' '.join(words)[:80]}”; known: {named_so}"
    )


def _diagnose(said: Said) -> Reply:
    named = _named(said.text)
    if named is not None:
        return steer.look_again(named, said.person, said.parts)
    _possible(said.words)
    meant = free.read(said.words, now())
    if not meant.rest:
        cut = (reading.CUT,) if meant.cut else ()
        example = f"e.g. {said.parts.prefix}diagnose checkout 1h"
        return Reply(text="Whom shall I look at?", lines=(*cut, example))
    with said.parts.journal.read() as tx:
        alert = _newest_open(tx, t.incidents.c.title.in_([said.text, " ".join(meant.rest)]))
    if alert is not None:
        return tell.one(alert, said.parts)
    try:
        service = _service(said, meant.rest, reading.within(said.person, said.parts))
    except reading.Unplaced as unplaced:
        return reading.place(unplaced, said.words, meant, said.delivery, said.person, said.parts)
    return reading.look(service, meant, said.person, said.parts)


def _incidents(said: Said) -> Reply:
    word = said.words[0] if said.words else "open"
    if word == "mine":
        return tell.listed(said.parts, mine=said.person.id)
    if word in {"open", "all"}:
        return tell.listed(said.parts, every=word == "all")
    return tell.listed(said.parts, service=word, every=True)


def _history(said: Said) -> Reply:
    if _named(said.text) is not None or not said.words:
        with said.parts.journal.read() as tx:
            service = incidents.load(tx, _incident(said)).service or ""
        return tell.history(service, said.parts)
    return tell.history(said.words[0], said.parts)


def _decision(said: Said, verdict: Verdict) -> Reply:
    """The same as a button. The question is named, always: one that came up meanwhile is not what was read."""
    named = next((w.upper() for w in said.words if _APPROVAL.fullmatch(w.upper())), None)
    if named is None:
        return tell.pending(said.parts)
    with said.parts.journal.read() as tx:
        asked = approvals.find(tx, named)
    if asked is None:
        return Reply(text="I know no question by that id.")
    if verdict is Verdict.APPROVE and whole.unread(asked.id, said.asker.surface, said.words, said.parts):
        return whole.plan(asked.id, "", said.parts)
    reason = " ".join(w for w in said.words if not _APPROVAL.fullmatch(w.upper()))
    press = Press(
        surface=said.asker.surface,
        account=said.asker.account,
        verdict=verdict,
        approval_id=ApprovalId(asked.id),
        hash8=asked.plan_hash[:8],
        reason=reason[:500] if verdict is Verdict.REJECT else "",
    )
    answer = walk.decide(press, DecideParts(journal=said.parts.journal, people=said.parts.people()))
    if isinstance(answer, Rejection):
        return Reply(text=answer.reason)
    told = presses.decided(answer, asked.id, said.parts)
    return replace(told, wants_reason=None) if reason else told


def _scope(said: Said) -> str:
    if not said.words or said.words[0].lower() in {"all", "*", "everything"}:
        return "*"
    return _service(said, said.words).id


def _merge(said: Said) -> Reply:
    named = _INCIDENT.findall(said.text.upper())
    if len(named) != 2:
        return Reply(text=f"Name both: {said.parts.prefix}merge INC_… into INC_…")
    return group.merge(IncidentId(named[0]), IncidentId(named[1]), said.person, said.parts)


def _split(said: Said) -> Reply:
    meant, _ = _apart(said.words)
    alerts = _EPISODE.findall(said.text.upper())
    return group.split(_incident(said, words=meant), alerts, said.person, said.parts)


def _maintenance(said: Said) -> Reply:
    words = said.words
    if not words:
        return group.windows(said.parts)
    if words[0].lower() == "end":
        return group.end(words[-1].upper(), said.person, said.parts)
    at, lasts = next(
        ((n, span) for n, word in enumerate(words) if (span := spans.span(word)) is not None), (0, None)
    )
    if lasts is None or not at:
        return Reply(text=f"Say where and how long: {said.parts.prefix}maintenance checkout 2h REASON")
    where = words[:at]
    environments = {s.environment for s in said.parts.catalogue().services}
    pattern = len(where) == 1 and where[0].partition("/")[0] in environments and "/" in where[0]
    scope = where[0] if pattern else _service(said, where).id
    return group.begin(scope, lasts, " ".join(words[at + 1 :]), said.person, said.parts)


def _feedback(said: Said) -> Reply:
    meant, words = _apart(said.words)
    if not words or words[0].lower() not in steer.VERDICTS:
        return Reply(text=f"Say which: {said.parts.prefix}feedback INC_… right, or wrong and the cause.")
    incident_id = _incident(said, words=meant)
    return steer.feedback(incident_id, words[0].lower(), " ".join(words[1:]), said.person, said.parts)


def _login(said: Said) -> Reply:
    if not said.asker.private:
        return Reply(text="Ask me in a private message: the link is yours alone.")
    link = said.parts.login(said.person.id)
    if not link:
        return Reply(text="There is no page to open: its address (page_url) is not configured.")
    return Reply(text="Your link to the page. It opens once, within 10 min.", link=link)


def _link(asker: Asker, words: tuple[str, ...], parts: DeskParts) -> Reply:
    """An account given to a person by a one-time code that an operator made for them."""
    if not asker.private:
        with parts.journal.write("code.burnt") as tx:
            for word in words[:3]:
                access.redeem(tx, word, "link")
        return Reply(
            text="Send me a code privately: in a channel others could use it, so this one is not good any more. "
            "Ask for another."
        )
    if not words:
        return Reply(text=f"Send the code you were given: {parts.prefix}link CODE")
    with parts.journal.write("account.linked") as tx:
        person_id = access.redeem(tx, words[0], "link")
        if person_id is None:
            return Reply(text="This code is not good: used, too old, or mistyped. Ask for another.")
        people = parts.people()
        person = people.by_id(person_id)
        if person is None or not directory.link(tx, people, asker.surface, asker.account, person_id):
            return Reply(text="This account already belongs to somebody, or the code's person is gone.")
    return Reply(text=f"Linked: here you are {person.name}.")


def _help(said: Said) -> Reply:
    prefix = said.parts.prefix
    may = [
        f"{prefix}{verb.example}: {verb.says}" + ("" if _may(said.person, verb) else f" (needs {verb.role})")
        for verb in VERBS.values()
    ]
    roles = ", ".join(sorted(said.person.roles)) or "none"
    return Reply(text=f"{said.person.name}, your roles: {roles}. Every verb also as /fr VERB.", lines=tuple(may))


def _may(person: Person, verb: Verb) -> bool:
    if verb.role == "viewer":
        return True
    return steer.may_respond(person) if verb.role == "responder" else person.may(verb.role)


VERBS: Mapping[str, Verb] = {
    "diagnose": Verb(
        does=_diagnose,
        example="diagnose checkout 1h",
        says="look into a service now; never acts by itself",
        role="responder",
        private=False,
    ),
    "incidents": Verb(does=_incidents, example="incidents [open|mine|all|SERVICE]", says="what is going on"),
    "incident": Verb(
        does=lambda s: tell.one(_incident(s), s.parts), example="incident INC_…", says="one incident"
    ),
    "why": Verb(
        does=lambda s: tell.why(_incident(s), s.parts),
        example="why INC_…",
        says="evidence, gates, what was dropped and what nobody could see",
    ),
    "history": Verb(does=_history, example="history checkout", says="earlier incidents and what was done"),
    "approvals": Verb(does=lambda s: tell.pending(s.parts), example="approvals", says="questions that wait"),
    "approve": Verb(
        does=lambda s: _decision(s, Verdict.APPROVE),
        example="approve AP_…",
        says="as the button does",
        role="approver",
        private=False,
    ),
    "reject": Verb(
        does=lambda s: _decision(s, Verdict.REJECT),
        example="reject AP_… REASON",
        says="as the button does",
        role="approver",
        private=False,
    ),
    "stop": Verb(
        does=lambda s: steer.stop(_scope(s), s.person, s.parts),
        example="stop [SERVICE]",
        says="nothing more is run, everywhere or for one service",
        role="responder",
        private=False,
    ),
    "resume": Verb(
        does=lambda s: steer.resume(_scope(s), s.person, s.parts),
        example="resume [SERVICE]",
        says="lift a stop",
        role="lead",
        private=False,
    ),
    "takeover": Verb(
        does=lambda s: steer.take_over(_incident(s), s.person, s.parts),
        example="takeover INC_…",
        says="it is yours; the bot begins nothing there",
        role="responder",
        private=False,
    ),
    "release": Verb(
        does=lambda s: steer.release(_incident(s), s.person, s.parts),
        example="release INC_…",
        says="give it back",
        role="responder",
        private=False,
    ),
    "close": Verb(
        does=lambda s: steer.close(_incident(s), s.person, s.parts),
        example="close INC_…",
        says="end an incident that you asked for",
        role="responder",
        private=False,
    ),
    "merge": Verb(
        does=_merge,
        example="merge INC_… into INC_…",
        says="two incidents that are one",
        role="responder",
        private=False,
    ),
    "split": Verb(
        does=_split,
        example="split INC_… EP_…",
        says="alerts that are a matter of their own",
        role="responder",
        private=False,
    ),
    "maintenance": Verb(
        does=_maintenance,
        example="maintenance checkout 2h REASON",
        says="alerts there wake nobody for so long; without words: what goes on",
        role="responder",
        private=False,
    ),
    "feedback": Verb(
        does=_feedback,
        example="feedback INC_… right|wrong [CAUSE]",
        says="whether the finding was right",
        role="responder",
    ),
    "audit": Verb(does=lambda s: tell.audit(s.text.strip(), s.parts), example="audit INC_…", says="the trail"),
    "status": Verb(does=lambda s: tell.status(s.parts), example="status", says="how the bot itself is"),
    "login": Verb(does=_login, example="login", says="a private link to the page"),
    "link": Verb(
        does=lambda s: Reply(text=""), example="link CODE", says="give this account to a person, privately"
    ),
    "help": Verb(does=_help, example="help", says="this"),
}

ALIASES: Mapping[str, str] = {
    "take": "takeover",
    "label": "feedback",
    "start": "help",
    "approval": "approvals",
    "hi": "help",
    "hello": "help",
}
