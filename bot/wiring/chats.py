"""The chats, pagers and page of a receiver, as far as they are configured; no library of one that is not."""

import time
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from actions.policy import People
from agents.incident.errors import ResponderError
from agents.incident.ids import IncidentId, PersonId
from bot import configuration
from bot.desk.reading import with_reading
from bot.journal import access, directory
from bot.journal.journal import Journal
from bot.page.parts import PageParts
from bot.pagers.ports import Pager
from bot.settings import ReceiverSettings
from bot.surfaces.ports import Chat
from bot.wiring.parts import DeskParts

if TYPE_CHECKING:
    from bot.chats import Chats

LOGIN_GOOD_FOR = timedelta(minutes=10)
FRESH_S = 5.0
"""How long people.yaml is believed before it is read again."""

UNREADABLE_S = 60.0
"""How long the last good people.yaml stands in for one that cannot be read."""


def people_of(
    settings: ReceiverSettings, journal: Journal, log: Any, *, clock: Callable[[], float] = time.monotonic
) -> Callable[[], People]:
    """The directory as it is now: the file, read again every few seconds, and the accounts people linked."""
    held = [People()]
    good, looked = [clock()], [clock() - FRESH_S]

    def read() -> People:
        now = clock()
        if now - looked[0] >= FRESH_S:
            looked[0] = now
            try:
                held[0], good[0] = configuration.people(settings.config), now
            except (ResponderError, OSError) as error:
                # A half-written file is soon whole again; one that stays unreadable means nobody.
                log.warning("people.unreadable", error=str(error))
                if now - good[0] > UNREADABLE_S:
                    held[0] = People()
        return held[0]

    return directory.with_linked(journal, read)


def build(settings: ReceiverSettings, journal: Journal, log: Any) -> tuple["Chats | None", PageParts]:
    """What is configured."""
    people = people_of(settings, journal, log)
    chats = _chats(settings, people, log)
    pagers = _pagers(settings)
    page = PageParts(
        journal=journal,
        people=people,
        url=settings.page_url,
        log=log,
        session=timedelta(hours=settings.page.session_hours),
        proxy_header=settings.page.proxy_header,
        proxy_from=tuple(ip_network(n) for n in sorted(settings.page.proxy_from)),
    )

    def link(incident_id: IncidentId) -> str:
        return f"{settings.page_url}/incidents/{incident_id}"

    def login(person_id: str) -> str:
        with journal.write("login.code") as tx:
            code = access.make_code(tx, PersonId(person_id), "login", LOGIN_GOOD_FOR)
        return f"{settings.page_url}/login/{code}"

    desk = DeskParts(
        journal=journal,
        people=people,
        catalogue=lambda: configuration.services(settings.config),
        log=log,
        places={
            "slack": frozenset({settings.slack.channel}) | settings.slack.channels,
            "telegram": frozenset({settings.telegram.chat}) | settings.telegram.chats,
        },
        link=link,
        login=login,
    )
    if not chats and not pagers:
        return None, page
    if settings.reads_words:
        desk = with_reading(desk)
    from bot.chats import ChatParts, Chats
    from bot.surfaces.speaker import Speech

    speech = Speech(journal=journal, people=people, link=link, log=log)
    return Chats(ChatParts(journal=journal, desk=desk, speech=speech, chats=chats, pagers=pagers, log=log)), page


def _chats(settings: ReceiverSettings, people: Callable[[], People], log: Any) -> list[Chat]:
    chats: list[Chat] = []
    slack, telegram = settings.slack, settings.telegram
    if slack.bot_token.get_secret_value():
        from bot.surfaces.slack.surface import SlackChat

        chats.append(
            SlackChat(
                bot_token=slack.bot_token.get_secret_value(),
                app_token=slack.app_token.get_secret_value(),
                signing_secret=slack.signing_secret.get_secret_value(),
                api_url=slack.api_url,
                channel=slack.channel,
                channels=slack.channels,
                mode=slack.mode,
                people=people,
                log=log,
                theme=slack.theme,
                prefix=slack.prefix,
            )
        )
    if telegram.token.get_secret_value():
        from bot.surfaces.telegram.surface import TelegramChat

        chats.append(
            TelegramChat(
                token=telegram.token.get_secret_value(),
                api_url=telegram.api_url,
                chat=telegram.chat,
                chats=telegram.chats,
                mode=telegram.mode,
                webhook_url=telegram.webhook_url,
                webhook_secret=telegram.webhook_secret.get_secret_value(),
                people=people,
                log=log,
                theme=telegram.theme,
            )
        )
    return chats


def _pagers(settings: ReceiverSettings) -> list[Pager]:
    pagers: list[Pager] = []
    from bot.pagers.opsgenie import Opsgenie
    from bot.pagers.pagerduty import PagerDuty

    if settings.pagerduty.routing_key.get_secret_value():
        pagers.append(PagerDuty(settings.pagerduty.routing_key.get_secret_value(), settings.pagerduty.api_url))
    if settings.opsgenie.api_key.get_secret_value():
        pagers.append(Opsgenie(settings.opsgenie.api_key.get_secret_value(), settings.opsgenie.api_url))
    return pagers
