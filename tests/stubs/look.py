"""What stands in a stub's channel, drawn as its platform draws it; and pictures of incidents of every kind.

``python -m tests.stubs.look OUT_DIR [NAME ...]`` fills a journal, speaks it through the real adapters, and keeps
what chromium shows, light and dark, on a phone and on a desk. Measures and colours are close, not exact.
"""

import asyncio
import base64
import html
import itertools
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Literal

import structlog

from actions.approval import Verdict
from actions.policy import People
from agents.incident.incident import Severity
from agents.incident.lifecycle import ActionState, IncidentState
from bot.grouping import Rules
from bot.journal import escalations, evidence, incidents, journal, migrate, runs
from bot.journal import tables as t
from bot.journal.journal import Journal, open_engine
from bot.surfaces.ports import Chat
from bot.surfaces.slack.surface import SlackChat
from bot.surfaces.speaker import Speech, speak
from bot.surfaces.telegram.surface import TelegramChat
from tests.builders import ALONE, a_finding, a_person, a_policy, a_proposal, take
from tests.page import scenes
from tests.page.scenes import Scene
from tests.stubs.client import SlackStub, TelegramStub
from tests.stubs.common import Json
from tests.unit.agents import world

A, S = ActionState, IncidentState
Theme = Literal["light", "dark"]
Bytes = Callable[[str], bytes]

CHANNEL, GROUP = "C0INCIDENTS", -100200
PEOPLE = People(
    people=(
        a_person("ana", "approver", "lead", slack="U0ANA", telegram="1001"),
        a_person("ben", "approver", slack="U0BEN", telegram="1002"),
        a_person("cleo", "approver", slack="U0CAT", telegram="1003"),
    )
)
PAGE = "https://incidents.shop.example/incidents/"


# --- Slack ------------------------------------------------------------------------------------------------------

_MRKDWN = re.compile(
    r"`(?P<code>[^`\n]+)`"
    r"|<(?P<address>https?://[^|>]+)(?:\|(?P<label>[^>]*))?>"
    r"|<@(?P<at>[UW][A-Z0-9]+)>"
    r"|(?<!\w)\*(?P<bold>[^*\n]+)\*(?!\w)"
    r"|(?<!\w)_(?P<italic>[^_\n]+)_(?!\w)"
    r"|(?<!\w)~(?P<strike>[^~\n]+)~(?!\w)"
)


def slack_page(messages: Sequence[Json], file: Bytes, theme: Theme = "light", width: int = 0) -> str:
    """A channel with its threads opened, as one page that needs nothing else."""
    roots = [m for m in messages if not m["deleted"] and m["thread_ts"] in (None, m["ts"])]
    out = []
    for root in roots:
        out.append(_slack_message(root, file))
        below = [m for m in messages if m["thread_ts"] == root["ts"] != m["ts"] and not m["deleted"]]
        if below:
            out.append('<div class="thread">' + "".join(_slack_message(m, file) for m in below) + "</div>")
    return _page("slack", theme, "".join(out), width)


def _slack_message(message: Json, file: Bytes) -> str:
    blocks = message["blocks"]
    body = "".join(map(_block, blocks)) if blocks else f'<div class="section">{_mrkdwn(message["text"])}</div>'
    shown = "".join(
        f'<div class="file">{html.escape(f.get("title") or f.get("name") or "")}'
        f'<img src="{_data(file(f["id"]))}" alt=""></div>'
        for f in message["files"]
    )
    edited = '<span class="edited">(edited)</span>' if message["edits"] else ""
    return (
        '<div class="message"><div class="face">fr</div><div>'
        f'<div class="by">firstresponder<i>APP</i><small>2:05 PM</small></div>{body}{shown}{edited}</div></div>'
    )


def _block(block: Json) -> str:
    match block["type"]:
        case "header":
            return f'<div class="header">{html.escape(html.unescape(block["text"]["text"]))}</div>'
        case "section":
            return f'<div class="section">{_mrkdwn(block["text"]["text"])}</div>'
        case "context":
            return f'<div class="context">{" ".join(_mrkdwn(e["text"]) for e in block["elements"])}</div>'
        case "divider":
            return "<hr>"
        case "actions":
            return f'<div class="actions">{"".join(map(_element, block["elements"]))}</div>'
        case other:
            raise ValueError(f"nothing here draws a block of type {other}")


def _element(element: Json) -> str:
    if element["type"] == "overflow":
        return '<div class="button overflow">•••</div>'
    return f'<div class="button {element.get("style", "")}">{element["text"]["text"]}</div>'


def _mrkdwn(text: str) -> str:
    """Text whose entities are escaped already."""
    names = {p.accounts["slack"][0]: p.name for p in PEOPLE.people}

    def one(found: re.Match[str]) -> str:
        match found.lastgroup:
            case "code":
                return f"<code>{found['code']}</code>"
            case "address" | "label":
                return f'<a href="#">{found["label"] or found["address"]}</a>'
            case "at":
                return f'<span class="at">@{names.get(found["at"], found["at"])}</span>'
            case kind:
                tag = {"bold": "b", "italic": "i", "strike": "s"}[kind or "bold"]
                return f"<{tag}>{found[kind or 'bold']}</{tag}>"

    return _MRKDWN.sub(one, text)


# --- Telegram ---------------------------------------------------------------------------------------------------

_TAGS = {"bold": "b", "italic": "i", "underline": "u", "strikethrough": "s", "code": "code", "pre": "pre"}


def telegram_page(messages: Sequence[Json], file: Bytes, theme: Theme = "light", width: int = 0) -> str:
    """A chat from top to bottom, as one page that needs nothing else."""
    known = {m["message_id"]: m for m in messages}
    shown = "".join(_bubble(m, known, file) for m in messages if not m["deleted"])
    return _page("telegram", theme, shown, width)


def _bubble(message: Json, known: Mapping[int, Json], file: Bytes) -> str:
    above = known.get(message["reply_to"] or 0)
    quote = ""
    if above is not None:
        begins = html.escape((above["text"] or above["caption"] or "Photo")[:90])
        quote = f'<div class="to"><b>firstresponder</b>{begins}</div>'
    photos = message["media"].get("photo") or []
    picture = f'<img src="{_data(file(photos[-1]["file_id"]))}" alt="">' if photos else ""
    text, entities = (
        (message["caption"] or "", message["caption_entities"])
        if photos
        else (message["text"] or "", message["entities"])
    )
    edited = "edited " if message["edits"] else ""
    return (
        f'<div class="message"><div class="bubble"><div class="by">firstresponder</div>{quote}{picture}'
        f'<div class="body">{_entities(text, entities)}</div><div class="meta">{edited}14:05</div></div>'
        f"{_keys(message['reply_markup'])}</div>"
    )


def _entities(text: str, entities: Iterable[Json]) -> str:
    """Offsets count UTF-16 units."""
    raw = text.encode("utf-16-le")
    opens: dict[int, list[str]] = {}
    closes: dict[int, list[str]] = {}
    for e in entities:
        begin, end = e["offset"], e["offset"] + e["length"]
        tag = _TAGS.get(e["type"], "a")
        opens.setdefault(begin, []).append(f"<{tag}>")
        closes.setdefault(end, []).insert(0, f"</{tag}>")
    at = sorted({0, len(raw) // 2, *opens, *closes})
    out = []
    for begin, end in zip(at, [*at[1:], at[-1]], strict=True):
        out += closes.get(begin, [])
        out += opens.get(begin, [])
        out.append(html.escape(raw[2 * begin : 2 * end].decode("utf-16-le", "replace")))
    return "".join(out)


def _keys(markup: Json | None) -> str:
    rows = (markup or {}).get("inline_keyboard") or []
    drawn = [
        '<div class="row">'
        + "".join(
            f'<div class="key {k.get("style") or ""}">{html.escape(k["text"])}{" ↗" if k.get("url") else ""}</div>'
            for k in row
        )
        + "</div>"
        for row in rows
    ]
    return f'<div class="keys">{"".join(drawn)}</div>' if drawn else ""


# --- the page ---------------------------------------------------------------------------------------------------


def _data(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _page(platform: str, theme: Theme, body: str, width: int) -> str:
    style = Path(__file__).with_name("look.css").read_text()
    limit = f"width:{width}px" if width else ""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{platform}</title><style>{_fonts()}{style}</style>"
        f'<body class="{platform} {theme}"><div class="wall" style="{limit}">{body}</div></body></html>'
    )


def _fonts() -> str:
    folder = files("font_roboto") / "files"
    faces = (("Roboto-Regular.ttf", "400"), ("Roboto-Medium.ttf", "500"), ("Roboto-Bold.ttf", "700 900"))
    return "".join(
        f"@font-face{{font-family:Roboto;font-weight:{weight};"
        f'src:url("{_data((folder / name).read_bytes(), "font/ttf")}")}}'
        for name, weight in faces
        if (folder / name).is_file()
    )


# --- the browser ------------------------------------------------------------------------------------------------


class Camera:
    """A headless chromium."""

    def __init__(self) -> None:
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
            options.add_argument(word)
        self._driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))

    def take(self, page: str, width: int, *, most: int = 6000, scale: float = 1.0) -> bytes:
        """The page at *width*, from its top to its end or *most* pixels."""
        with tempfile.NamedTemporaryFile("w", suffix=".html", encoding="utf-8") as file:
            file.write(page)
            file.flush()
            self._size(width, 800, scale)
            self._driver.get(f"file://{file.name}")
            height = min(most, int(self._driver.execute_script("return document.body.scrollHeight")))
            wide = int(self._driver.execute_script("return document.documentElement.scrollWidth"))
            if wide > width:
                print(f"  wider than the screen: {wide} > {width}", file=sys.stderr)
            self._size(width, height, scale)
            got = self._driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
        return base64.b64decode(got["data"])

    def _size(self, width: int, height: int, scale: float) -> None:
        given = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", given)

    def close(self) -> None:
        """End it."""
        self._driver.quit()


# --- incidents of every kind ------------------------------------------------------------------------------------


@dataclass(slots=True)
class Teller:
    """A journal whose clock stands still until it is moved on, and the chat it is told to."""

    journal: Journal
    name: str
    chat: Callable[[], Chat]
    at: datetime = world.NOW - timedelta(seconds=40)

    def on(self, seconds: float) -> None:
        """Move the clock on."""
        self.at += timedelta(seconds=seconds)
        journal._NOW["sqlite"] = str(int(self.at.timestamp() * 1_000_000))

    def tell(self) -> None:
        """Say what is new."""
        self.on(8)
        asyncio.run(self._tell())

    async def _tell(self) -> None:
        speech = Speech(
            journal=self.journal, people=lambda: PEOPLE, link=lambda i: f"{PAGE}{i}", log=structlog.get_logger()
        )
        chat = self.chat()
        try:
            await chat.start()
            for _ in range(6):
                if not await speak(speech, chat):
                    break
        finally:
            await chat.close()


def earlier(teller: Teller, count: int = 2) -> None:
    """The same alert before today; told nowhere."""
    now = teller.at
    for n in range(count):
        teller.at = now - timedelta(days=9 - n)
        teller.on(0)
        scenes.opened(teller.journal, S.RESOLVED)
    teller.at = now
    teller.on(0)
    with teller.journal.write("look.quiet") as tx:
        for row in tx.all(t.incidents.select()):
            tx.run(
                t.views.insert().values(
                    surface=teller.name, incident_id=row["id"], card_version=9999, event_number=9999
                )
            )


def waiting(teller: Teller) -> Scene:
    """An approval is asked for."""
    earlier(teller)
    store = world.pool_leak()
    store.items = [replace(e, probe="prometheus") for e in store.items]
    scene = scenes.asked(teller.journal, store=store)
    teller.tell()
    return scene


def verified(teller: Teller) -> None:
    """Approved, carried out, watched until it was well."""
    scene = waiting(teller)
    teller.on(70)
    scenes.vote(teller.journal, scene, "ana")
    scene = scenes.executed(teller.journal, scene)
    teller.tell()
    for number, values in enumerate(scenes.GETTING_BETTER, 1):
        teller.on(5)
        scenes.sampled(teller.journal, scene, number, values)
    teller.tell()


def watching(teller: Teller) -> None:
    """In the middle of the window."""
    scene = waiting(teller)
    teller.on(70)
    scenes.vote(teller.journal, scene, "ana")
    scene = scenes.executed(teller.journal, scene)
    for number, values in enumerate(scenes.GETTING_BETTER[:3], 1):
        teller.on(5)
        scenes.sampled(teller.journal, scene, number, values)
    teller.tell()


def rejected(teller: Teller) -> None:
    """A person said no, and why."""
    scene = waiting(teller)
    teller.on(50)
    scenes.vote(teller.journal, scene, "ben", Verdict.REJECT, "the campaign ends in ten minutes; not now")
    with teller.journal.write("look.needs") as tx:
        incidents.move(
            tx,
            incidents.load(tx, scene.incident_id),
            S.NEEDS_HUMAN,
            actor="clock",
            reason="rejected by Ben; nothing else is proposed",
        )
    teller.tell()


def unclear(teller: Teller) -> None:
    """Nothing fits; a person was called twice and one has it."""
    scene = scenes.unclear(teller.journal)
    teller.tell()
    teller.on(300)
    with teller.journal.write("look.again") as tx:
        call = escalations.standing(tx, scene.incident_id)
        assert call is not None
        escalations.again(tx, call)
    teller.tell()


def runbook(teller: Teller) -> None:
    """Something that no bot may run."""
    incident = scenes.opened(teller.journal)
    store = world.stale_schema()
    finding = scenes.found(teller.journal, incident, store)
    policy = a_policy(windows=scenes.WINDOWS)
    proposal = a_proposal("drop_column", finding=finding, criteria=scenes.CRITERIA[1:2], policy=policy)
    with teller.journal.write("look.runbook") as tx:
        now = incidents.move(tx, incidents.load(tx, incident.id), S.PROPOSED, actor="triage")
        runs.save(tx, now, proposal, policy)
        incidents.move(
            tx, incidents.load(tx, incident.id), S.NEEDS_HUMAN, actor="triage", reason="a person carries it out"
        )
    teller.tell()


def failing(teller: Teller) -> None:
    """The platform answered with an error; the same is asked again on the same card."""
    scene = waiting(teller)
    assert scene.finding is not None
    teller.on(40)
    scenes.vote(teller.journal, scene, "ana")
    said = "the platform answers 500: Could not find the 'updated_at' column of 'agent_tasks' in the schema cache"
    policy = a_policy(windows=scenes.WINDOWS)
    again = a_proposal(
        "rollback_deployment", finding=scene.finding, criteria=scenes.CRITERIA, policy=policy, number=2
    )
    with teller.journal.write("look.failed") as tx:
        scenes.move(tx, scene.run_id, A.RESERVED, A.PREFLIGHT)
        version = runs.view(tx, scene.run_id).version
        runs.move(tx, scene.run_id, A.ABORTED, version=version, actor="runner", reason=said)
        runs.save(tx, incidents.load(tx, scene.incident_id), again, policy)
    teller.tell()


def hostile(teller: Teller) -> None:
    """Words from outside that try everything, and do not end."""
    bad = (
        "@all <!channel> *URGENT* <https://evil.example|click> `rm -rf /` \u202egnp.exe\u202c /approve #now "
        "https://evil.example/a?b=c ” Approve? “ <b>bold</b> [ev_aaaaaaaaaaaaaaaaaaaa] 100% "
    )
    scenes.asked(teller.journal, title=bad * 6, summary=bad * 40, quorum=2)
    teller.tell()


def blind(teller: Teller) -> None:
    """Nothing could be read."""
    incident = scenes.opened(teller.journal)
    scenes.found(teller.journal, incident, world.Store())
    with teller.journal.write("look.blind") as tx:
        incidents.move(
            tx,
            incidents.load(tx, incident.id),
            S.NEEDS_HUMAN,
            actor="triage",
            reason="could not see enough to say anything",
        )
    teller.tell()


def storm(teller: Teller, count: int = 30) -> None:
    """Many at once, of which some ask."""
    scenes.storm(teller.journal, count)
    with teller.journal.write("look.storm") as tx:
        for row in tx.all(t.findings.select()):
            finding = replace(
                a_finding(incident_id=row["incident_id"]),
                text="Suspects only, no cause named\nSuspects: connection pool exhausted in `checkout` (F11)",
            )
            assert evidence.latest_finding(tx, row["incident_id"]) is not None
            record = row["record"] | {"text": finding.text}
            tx.run(t.findings.update().where(t.findings.c.id == row["id"]).values(record=record))
    teller.tell()


def flood(teller: Teller, count: int = 120) -> None:
    """So many alerts at once that they are one incident."""
    names = ("checkout", "orders", "search", "payments", "sessions", "mail", "stock", "prices", "media", "carts")
    loud = (Severity.CRITICAL, Severity.HIGH, Severity.WARNING)
    with teller.journal.write("look.flood") as tx:
        for n in range(count):
            service = f"{names[n % 10]}-{n % 4}"
            grouping = replace(ALONE, rules=Rules(storm_incidents=10))
            take(tx, grouping, identity=f"a{n}", service=service, environment="shop", severity=loud[n % 3])
    teller.tell()


SCENES: Mapping[str, Callable[[Teller], object]] = {
    "waiting": waiting,
    "watching": watching,
    "verified": verified,
    "rejected": rejected,
    "unclear": unclear,
    "runbook": runbook,
    "failing": failing,
    "hostile": hostile,
    "blind": blind,
    "storm": storm,
    "flood": flood,
}


def a_slack(stub: SlackStub, theme: Theme) -> SlackChat:
    hours = itertools.count(0.0, 3600.0)
    return SlackChat(
        bot_token=stub.bot_token,
        app_token=stub.app_token,
        signing_secret=stub.signing_secret,
        api_url=stub.api_url,
        channel=CHANNEL,
        people=lambda: PEOPLE,
        log=structlog.get_logger(),
        theme=theme,
        clock=lambda: next(hours),
    )


def a_telegram(stub: TelegramStub, theme: Theme) -> TelegramChat:
    hours = itertools.count(0.0, 3600.0)
    return TelegramChat(
        token=stub.token,
        api_url=stub.url,
        chat=str(GROUP),
        chats=frozenset(),
        mode="polling",
        people=lambda: PEOPLE,
        log=structlog.get_logger(),
        theme=theme,
        clock=lambda: next(hours),
    )


@contextmanager
def journals() -> Iterator[Callable[[], Journal]]:
    """Empty journals, migrated once."""
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder) / "first.db"
        migrate.upgrade(f"sqlite:///{first}")
        numbers = itertools.count()

        def make() -> Journal:
            path = Path(folder) / f"{next(numbers)}.db"
            path.write_bytes(first.read_bytes())
            return Journal(open_engine(f"sqlite:///{path}"))

        yield make


Drawn = Callable[[Theme, int], str]


def told(stub: SlackStub | TelegramStub, book: Journal, fill: Callable[[Teller], object], theme: Theme) -> Drawn:
    """What a chat shows once the scene was told on it."""
    stub.reset()
    stub.limits(rates=False)
    teller = (
        Teller(journal=book, name="slack", chat=lambda: a_slack(stub, theme))
        if isinstance(stub, SlackStub)
        else Teller(journal=book, name="telegram", chat=lambda: a_telegram(stub, theme))
    )
    teller.on(0)
    fill(teller)
    book.close()
    if isinstance(stub, SlackStub):
        return lambda theme, width: slack_page(stub.messages(channel=CHANNEL), stub.file, theme, width)
    return lambda theme, width: telegram_page(stub.messages(chat_id=GROUP), stub.file, theme, width)


def main(words: Sequence[str]) -> int:
    """Every scene on both platforms, or those named."""
    if not words:
        print(__doc__)
        return 2
    out = Path(words[0])
    out.mkdir(parents=True, exist_ok=True)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(30),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    kept = dict(journal._NOW)
    camera = Camera()
    try:
        with SlackStub() as slack, TelegramStub() as telegram, journals() as make:
            for name in words[1:] or SCENES:
                for platform, stub in (("slack", slack), ("telegram", telegram)):
                    for theme in ("light", "dark"):
                        drawn = told(stub, make(), SCENES[name], theme)
                        for size, width in (("phone", 390), ("desk", 820)):
                            page = drawn(theme, 0)
                            stem = f"{name}-{platform}-{theme}-{size}"
                            (out / f"{stem}.html").write_text(page)
                            (out / f"{stem}.png").write_bytes(camera.take(page, width))
                            print(stem)
    finally:
        journal._NOW.update(kept)
        camera.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
