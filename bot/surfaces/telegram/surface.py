"""Telegram behind the port ``Chat``: one root message an incident, replies below it, every press answered."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any, Literal, TypeVar

from starlette.routing import Route
from telegram import ForceReply, InlineKeyboardMarkup

from actions.policy import People
from agents.incident.errors import BadInput, ResponderError
from agents.incident.ids import ApprovalId
from bot.desk.commands import ALIASES, VERBS
from bot.processes import PREFIX
from bot.surfaces import layout
from bot.surfaces.chart import png
from bot.surfaces.limits import Budget, Rate
from bot.surfaces.ports import Asker, Button, Card, Chart, Incoming, Kind, Lane, Message, Reply, Take
from bot.surfaces.telegram import confirm, listen, prove, render
from bot.surfaces.telegram import read as reading
from bot.surfaces.telegram.calls import ANSWER_S, CHAT, Calls, NoEntry, Unacceptable
from bot.surfaces.telegram.read import Me, Ref
from bot.surfaces.telegram.render import NAME, Shown
from bot.surfaces.telegram.send import Sender
from bot.surfaces.telegram.text import ANSWER, shortened

TOGETHER = frozenset({Kind.POST, Kind.EDIT})
RATES = (
    Rate(most=18, seconds=60, reserved=6, kinds=TOGETHER),
    Rate(most=4, seconds=4, reserved=1, kinds=TOGETHER),
    Rate(most=25, seconds=1, kinds=TOGETHER),
)
"""Starting values below the platform's 20 a minute and group, 1 a second and chat, 30 a second in all."""

REMEMBERED = 500
"""Keyboards kept, to know what a message shows and how a button asks once more."""

ASIDE_S = 1.5
"""How long the rest of an answer may take: whoever pressed waits for the pop-up that says where it is."""

IN_PRIVATE = " (The rest is in our private chat.)"
KNOWN = frozenset({"fr", "firstresponder", *VERBS, *ALIASES})

T = TypeVar("T")
Keys = InlineKeyboardMarkup | None
Making = Callable[[], Shown]
"""What is to be sent, rendered anew with what is known by then of what Telegram takes."""


class TelegramChat:
    """One bot in one group, or one topic of it, where cards are posted."""

    name = NAME
    patient = True

    def __init__(
        self,
        *,
        token: str,
        api_url: str = "https://api.telegram.org",
        chat: str,
        chats: frozenset[str],
        mode: Literal["polling", "webhook"],
        webhook_url: str = "",
        webhook_secret: str = "",
        people: Callable[[], People],
        log: Any,
        theme: Literal["light", "dark"] = "light",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._home, self._topic = prove.place(chat)
        self._places = {self._home, *(prove.place(c)[0] for c in chats)}
        self._mode = mode
        self._webhook = (webhook_url, webhook_secret)
        self._people = people
        self._log = log
        self._theme: Literal["light", "dark"] = theme
        self._clock = clock
        self._calls = Calls(
            token=token, api_url=api_url, clock=clock, poll_s=listen.POLL_S + 10, secrets=(webhook_secret,)
        )
        self._sender = Sender(self._calls, clock)
        self._me = Me.of(token)
        self._conflict: float | None = None
        self._url_buttons = True
        self._keyboards: OrderedDict[tuple[str, int], tuple[Keys, tuple[Button, ...]]] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self.budget = Budget(dict.fromkeys(TOGETHER, RATES), clock)

    # --- what is said ---------------------------------------------------------------------------------------

    def layout(self, card: Card) -> Sequence[Message]:
        """A root, questions of their own, the rest as replies to the root."""
        return layout.messages(card)

    async def post(self, message: Message, root: str | None) -> str:
        """Post a message, as a reply to the root where there is one; its picture as a reply to it."""
        above = Ref.of(root) if root is not None else None
        chat, topic = (above.chat, above.topic) if above is not None else (self._home, self._topic)

        async def send(shown: Shown) -> Ref:
            number = await self._sender.send(chat, shown, topic=topic, to=above, silent=not message.loud)
            ref = Ref(chat=chat, message=number, topic=topic)
            self._remember(ref, shown.keyboard, message)
            return ref

        ref = await self._accepted(self._shown(message), send)
        if message.chart is not None:
            await self._picture(ref, message.chart)
        return str(ref)

    async def find(self, key: str, root: str | None) -> str | None:
        """A bot cannot read its own messages back: what was lost in a crash is posted again."""
        return None

    async def edit(self, ref: str, message: Message) -> None:
        """Bring text and buttons up to date. ``Gone`` when the message is."""
        at = Ref.of(ref)

        async def rewrite(shown: Shown) -> None:
            self._remember(at, shown.keyboard, message)
            await self._sender.rewrite(at, shown)

        await self._accepted(self._shown(message), rewrite)

    async def detail(self, root: str, lines: Sequence[str], link: str = "") -> None:
        """One silent reply to the root."""
        at = Ref.of(root)
        await self._accepted(
            lambda: render.history(lines, link, url_buttons=self._url_buttons),
            lambda shown: self._sender.send(at.chat, shown, topic=at.topic, to=at, silent=True),
        )

    def _shown(self, message: Message) -> Making:
        return lambda: render.message(message, self._people(), url_buttons=self._url_buttons)

    def _reply(self, reply: Reply) -> Making:
        return lambda: render.reply(reply, url_buttons=self._url_buttons)

    async def _accepted(self, making: Making, send: Callable[[Shown], Awaitable[T]]) -> T:
        """Send it; once more in a form that Telegram takes, should it refuse the first."""
        shown = making()
        try:
            return await send(shown)
        except Unacceptable as error:
            said = error.said.lower()
            if "button" in said and "url" in said and self._url_buttons:
                self._url_buttons = False
                self._log.warning("telegram.link_is_no_button", error=error.said, setting=f"{PREFIX}PAGE__URL")
                again = making()
            elif "parse entities" in said:
                self._log.error("telegram.markup_refused", error=error.said)
                again = Shown(html="", plain=shown.plain, keyboard=shown.keyboard)
            else:
                raise
        return await send(again)

    async def _picture(self, below: Ref, chart: Chart) -> None:
        """A chart as a reply. Whatever happens to it, its message stands."""
        self.budget.may(Kind.POST, Lane.DETAIL)  # counted; the message it belongs to is out already
        try:
            drawn = await asyncio.to_thread(png, chart, theme=self._theme)
            await self._sender.picture(below, drawn, render.caption(chart.caption))
        except Exception as error:  # noqa: BLE001  # a picture is worth a line in the log, not a message
            self._log.warning("telegram.picture_failed", error=self._calls.without_token(str(error)))

    # --- who is answered ------------------------------------------------------------------------------------

    async def answer(self, asker: Asker, reply: Reply) -> None:
        """To a press, what only the presser sees; to a command, a message where it was typed."""
        if asker.query:
            await self._answer_press(asker, reply)
        else:
            self.budget.may(Kind.POST, Lane.ASK)  # counted, never refused: everybody is answered
            await self._tell(asker, self._reply(reply))
        if reply.wants_reason is not None:
            await self._ask_why(asker, reply.wants_reason)

    async def _answer_press(self, asker: Asker, reply: Reply) -> None:
        more = ""
        if (
            not reply.public
            and asker.trusted
            and (reply.lines or reply.link or render.alert(reply)[0][-1:] == "…")
        ):
            more = await self._privately(asker, self._reply(reply))
        text, stays = render.alert(reply, more)
        heard = await self._sender.pop_up(asker, text, stays=stays)
        if reply.public and asker.place:
            self.budget.may(Kind.POST, Lane.ASK)
            await self._tell(asker, self._reply(reply))
        elif not heard and not more and asker.trusted:
            late = await self._privately(asker, self._reply(reply))
            self._log.warning("telegram.answered_late", account=asker.account, privately=late == IN_PRIVATE)

    async def _privately(self, asker: Asker, making: Making) -> str:
        """Send it to the person alone; what the pop-up is to say about that."""
        try:
            await self._accepted(making, lambda shown: self._sender.send(asker.account, shown, seconds=ASIDE_S))
        except NoEntry:
            name = f"@{self._me.username}" if self._me.username else "me"
            return f" (There is more: open a chat with {name}, press Start, then press here again.)"
        except ResponderError as error:
            self._log.warning("telegram.not_told_privately", account=asker.account, error=str(error))
            return " (There is more, but it could not be sent just now.)"
        return "" if asker.private else IN_PRIVATE

    async def _tell(self, asker: Asker, making: Making, markup: ForceReply | None = None) -> None:
        """A message where it was pressed or typed, as a reply to that."""
        topic = asker.extra.get("topic", "")
        to = Ref(chat=asker.place, message=int(asker.message)) if asker.message.isdecimal() else None
        where = int(topic) if topic.isdecimal() else None
        await self._accepted(
            making,
            lambda shown: self._sender.send(
                asker.place, shown, topic=where, to=to, force=markup, seconds=ANSWER_S
            ),
        )

    async def _ask_why(self, asker: Asker, approval_id: ApprovalId) -> None:
        """Ask for a reason where the rejection counted; it may never come."""
        person = self._people().by_account(NAME, asker.account)
        shown = render.why(person.name if person is not None else "You", asker.account, approval_id)
        self.budget.may(Kind.POST, Lane.ASK)
        await self._tell(
            asker, lambda: shown, ForceReply(selective=True, input_field_placeholder="Why? You may leave it")
        )

    # --- what comes in --------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Token, chats, commands, and the webhook where there is one. BadInput names the setting."""
        self._me = await prove.me(self._calls)
        for number in sorted(self._places):
            await prove.chat(self._calls, self._me, number)
        await prove.commands(self._calls, self._log)
        if self._mode == "webhook":
            await prove.webhook(self._calls, *self._webhook)
        self._log.info("telegram.ready", username=self._me.username, chats=len(self._places), mode=self._mode)

    async def listen(self, take: Take) -> None:
        """Poll until cancelled; with a webhook, Telegram calls the route and there is nothing to do here."""
        if self._mode == "webhook":
            await asyncio.Event().wait()
        poller = listen.Poller(
            calls=self._calls, take=take, heard=self._heard, log=self._log, conflicted=self._conflicted
        )
        await poller.run()

    def routes(self, take: Take) -> Sequence[Route]:
        """The endpoint of the webhook."""
        if self._mode != "webhook":
            return ()
        return listen.routes(take, self._heard, self._log, self._webhook[1])

    def read(self, body: bytes) -> Incoming | None:
        """What a stored update asks of the bot."""
        return reading.read(body, self._me, KNOWN)

    def _heard(self, body: bytes) -> None:
        """What is the surface's own to do once it is stored: a button that asks once more, a chat that is lost."""
        if (b'"callback_query"' not in body and b'"my_chat_member"' not in body) or reading.is_press(body):
            return
        try:
            update = reading.parsed(body)
            turn = reading.turn(update, self._me)
        except BadInput as error:
            self._log.warning("telegram.unreadable", error=str(error))
            return
        if turn is not None:
            self._start(self._turn(turn))
        change = update.my_chat_member
        if change is not None and str(change.chat.id) in self._places:
            status = change.new_chat_member.status
            self._log.warning("telegram.membership", chat=change.chat.id, status=status, setting=CHAT)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _turn(self, turn: reading.Turn) -> None:
        """Put "Really? / No" in the place of a button, or the button back."""
        asker = turn.asker
        try:
            if not asker.trusted or asker.place not in self._places:
                why = asker.why_not or f"this chat ({asker.place}) is not among those of {CHAT}"
                await self._sender.pop_up(asker, shortened(f"Refused: {why}.", ANSWER), stays=True)
                return
            at = Ref(chat=asker.place, message=int(asker.message))
            now, buttons = self._keyboards.get((at.chat, at.message), (turn.keyboard, ()))
            keyboard = confirm.turned(now, turn.data)
            if keyboard is not None:
                self.budget.may(Kind.EDIT, Lane.ASK)
                self._keyboards[(at.chat, at.message)] = (keyboard, buttons)
                await self._sender.show_keys(at, keyboard)
            elif not confirm.is_turned(now, turn.data):
                await self._sender.pop_up(asker, "This card has changed; that button is gone.", stays=True)
                return
            asks = next((b.confirm for b in buttons if f"{render.CONFIRM}{b.data}" == turn.data), confirm.HINT)
            asking = turn.data.startswith(render.CONFIRM)
            await self._sender.pop_up(asker, shortened(asks, ANSWER) if asking else confirm.LEFT, stays=False)
        except ResponderError as error:
            self._log.warning("telegram.turn_failed", account=asker.account, error=str(error))
            await self._pop_up_lost(asker)

    async def _pop_up_lost(self, asker: Asker) -> None:
        try:
            await self._sender.pop_up(
                asker, "Telegram would not change the buttons; please press again.", stays=True
            )
        except ResponderError as error:
            self._log.warning("telegram.unanswered", account=asker.account, error=str(error))

    def _remember(self, ref: Ref, keyboard: Keys, message: Message) -> None:
        at = (ref.chat, ref.message)
        self._keyboards[at] = (keyboard, (*message.buttons, *message.more))
        self._keyboards.move_to_end(at)
        while len(self._keyboards) > REMEMBERED:
            self._keyboards.popitem(last=False)

    def _conflicted(self) -> None:
        self._conflict = self._clock()

    # --- whether it works -----------------------------------------------------------------------------------

    async def selftest(self, test_id: str) -> str:
        """A card with one button to press."""
        card = Message(
            key=f"selftest:{test_id}",
            lane=Lane.ASK,
            headline="Self-test",
            lines=("Press the button within 2 min: the press must come back, be known and be answered.",),
            buttons=(Button(label="Press me", data=f"p:{test_id}", style="primary"),),
        )
        return await self.post(card, None)

    async def check(self) -> Sequence[str]:
        """What is wrong with the set-up; each names its setting."""
        ago = timedelta(seconds=self._clock() - self._conflict) if self._conflict is not None else None
        return await prove.complaints(
            self._calls,
            self._me,
            sorted(self._places),
            mode=self._mode,
            webhook_url=self._webhook[0],
            conflict_ago=ago,
        )

    async def close(self) -> None:
        """Give the connections back."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._calls.close()
