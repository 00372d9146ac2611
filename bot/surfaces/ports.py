"""What a chat, or a terminal, must be able to do; and what is said on one, without a platform's words."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Protocol

from agents.incident.errors import Refused, Transient
from agents.incident.ids import ApprovalId, IncidentId

if TYPE_CHECKING:
    from starlette.routing import Route

    from bot.surfaces.limits import Budget


class Lane(IntEnum):
    """Who goes first when a platform's limits make messages wait."""

    ASK = 1
    ESCALATION = 2
    ROOT = 3
    EDIT = 4
    DETAIL = 5


class Kind(StrEnum):
    """What a platform counts a call as."""

    POST = "post"
    EDIT = "edit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A label and an opaque id; no authority, at most 64 bytes. ``confirm`` asks once more before it counts."""

    label: str
    data: str
    style: str = ""
    confirm: str = ""


class MarkKind(StrEnum):
    """What a vertical line on a chart stands for."""

    CHANGE = "change"
    ACTION = "action"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A moment on the time axis, in milliseconds since the epoch."""

    at_ms: float
    kind: MarkKind
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The cited metric: (ms, value) in order of time, with the quantity it is and what happened when.

    ``onset`` is the interval (ms, ms) in which it became abnormal; ``threshold`` what it was held against.
    """

    caption: str
    quantity: str
    points: tuple[tuple[float, float], ...]
    marks: tuple[Mark, ...] = ()
    onset: tuple[float, float] | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What a chat shows of a question whose plan is too long for a card: no button of it approves."""

    headline: str
    lines: tuple[str, ...]
    buttons: tuple[Button, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One question to people, as it stands now. ``eligible`` are those whose yes would count, by id.

    ``brief`` stands in its place wherever a message cannot be of any length.
    """

    id: str
    headline: str
    lines: tuple[str, ...]
    buttons: tuple[Button, ...]
    more: tuple[Button, ...]
    waiting: bool
    over: bool
    runbook: bool
    eligible: tuple[str, ...] = ()
    brief: Brief | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plea:
    """A person is asked for: whom to mention (``called``, by id), for the how-manieth time, and who has it."""

    id: str
    times: int
    lines: tuple[str, ...]
    buttons: tuple[Button, ...]
    acked: bool
    called: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """An incident as the journal has it now, in the project's own words and marks.

    Text between backticks is data (a name, a quote); ``[ev_…]`` cites evidence. ``accounted`` holds every number,
    name and quote that a stored fact stands behind: whatever leaves is parsed against it (G14). ``apart`` is how
    much time lies between two edits at least.
    """

    incident_id: IncidentId
    version: int
    headline: str
    state: str
    summary: tuple[str, ...]
    finding_id: str | None
    finding: tuple[str, ...]
    actions: tuple[str, ...]
    outcome: tuple[str, ...]
    reason: str
    chart: Chart | None
    asks: tuple[Ask, ...]
    plea: Plea | None
    buttons: tuple[Button, ...]
    link: str
    accounted: frozenset[str]
    reported: bool
    over: bool
    loud: bool
    apart: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a surface. ``key`` names it for ever; what it says may change.

    ``below`` puts it under the incident's root message; ``fixed`` says that it is never edited once posted, and
    ``late`` that it is worth an edit but no post; ``mention`` names people (by id) to be notified; ``loud`` that
    its post pushes a notification.
    """

    key: str
    lane: Lane
    headline: str
    lines: tuple[str, ...] = ()
    buttons: tuple[Button, ...] = ()
    more: tuple[Button, ...] = ()
    chart: Chart | None = None
    link: str = ""
    mention: tuple[str, ...] = ()
    below: bool = False
    fixed: bool = False
    late: bool = False
    loud: bool = False
    over: bool = False

    def text(self) -> str:
        """Everything a person would read, buttons and captions included: what G14 parses."""
        buttons = [f"{b.label}\n{b.confirm}" for b in (*self.buttons, *self.more)]
        chart = [self.chart.caption, *(m.label for m in self.chart.marks)] if self.chart is not None else []
        return "\n".join([self.headline, *self.lines, *buttons, *chart])


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who pressed or typed, where, and what the platform needs to be answered with. ``account`` as in people.yaml.

    ``team`` is the workspace the account belongs to; ``private`` a direct conversation with the bot; ``trusted``
    is false for bots, anonymous admins, forwarded buttons and foreign workspaces, with the reason in ``why_not``.
    """

    surface: str
    account: str
    place: str
    private: bool
    thread: str = ""
    message: str = ""
    query: str = ""
    trusted: bool = True
    why_not: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed:
    """A button was pressed. ``delivery`` is the inbox row it came as, empty where it came from no chat."""

    asker: Asker
    data: str
    delivery: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A command, a mention of the bot, or a private message to it: its words without the slash or the mention."""

    asker: Asker
    text: str
    delivery: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoned:
    """Why something was rejected, told after the press that already counted."""

    asker: Asker
    approval_id: ApprovalId
    text: str
    delivery: str = ""


Incoming = Pressed | Typed | Reasoned


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer to a press or a command: a first line and more below it. ``public`` shows it to the whole place.

    ``wants_reason`` asks, after a rejection, why; ``incident_id`` says which incident a command is about.
    ``accounted`` holds what an answer that speaks of a finding or a plan may say: it is parsed against it (G14)
    before it leaves the desk. ``None`` is an answer of the bot about itself.
    """

    text: str
    lines: tuple[str, ...] = ()
    link: str = ""
    public: bool = False
    wants_reason: ApprovalId | None = None
    incident_id: IncidentId | None = None
    accounted: frozenset[str] | None = None


class Busy(Transient):
    """The platform asks to wait (``retry_after``) before this method is called again."""


class Gone(Refused):
    """The message to be edited is not there any more; it is posted again."""


class Surface(Protocol):
    """One root message an incident, edited in place; detail below it; every press answered."""

    @property
    def name(self) -> str:
        """As accounts in config/people.yaml are filed under."""

    @property
    def patient(self) -> bool:
        """Whether edits of one message are held together for a few seconds."""

    @property
    def budget(self) -> "Budget":
        """What the platform still allows."""

    def layout(self, card: Card) -> Sequence[Message]:
        """The messages that stand for *card*, the root message first, under the key ``root``."""

    async def post(self, message: Message, root: str | None) -> str:
        """Post a message (below *root* if it says so). Returns its reference."""

    async def find(self, key: str, root: str | None) -> str | None:
        """The reference of a message that was posted just before a crash, where the platform can tell."""

    async def edit(self, ref: str, message: Message) -> None:
        """Bring a posted message up to date. Raises ``Gone`` when it is not there any more."""

    async def detail(self, root: str, lines: Sequence[str], link: str = "") -> None:
        """Add lines of history below the root message; *link* leads to all of what was cut in them."""

    async def answer(self, asker: Asker, reply: Reply) -> None:
        """Answer whoever pressed or typed, privately unless the reply is public."""


Take = Callable[[str | None, bytes], Awaitable[None]]
"""(delivery key, body): durable when it returns, worked on afterwards. JournalUnavailable: do not acknowledge."""


class Chat(Surface, Protocol):
    """A surface on which people press and type: a platform with a listener of its own."""

    async def start(self) -> None:
        """Prove credentials and places, learn who the bot is, register commands. BadInput names the setting."""

    async def listen(self, take: Take) -> None:
        """Hand over every press and message, stored before it is acknowledged; reconnects until cancelled."""

    def routes(self, take: Take) -> "Sequence[Route]":
        """HTTP endpoints of ours that the platform calls, where it is set up so."""

    def read(self, body: bytes) -> Incoming | None:
        """A stored delivery; ``None`` when it is not for the bot. BadInput when it cannot be read."""

    async def selftest(self, test_id: str) -> str:
        """Post the "press me" card. Returns its reference."""

    async def check(self) -> Sequence[str]:
        """What is wrong with the set-up, each with the setting that changes it; empty when all is well."""

    async def close(self) -> None:
        """Give the connections back."""
