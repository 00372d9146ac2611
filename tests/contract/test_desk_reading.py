"""``diagnose`` in free words: acknowledged, read by a model in a triage worker, answered where it was said."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from agents.deliberation.budgets import Limits, Price
from agents.deliberation.menu import entity_ref
from agents.incident.catalogue import Service
from agents.ports import Task
from agents.reasoners.langchain import LangChain
from agents.reasoners.scripted import Scripted
from bot import understanding
from bot.chats import ChatParts, Chats
from bot.desk import desk
from bot.desk.reading import ACKNOWLEDGED, READS_AN_HOUR, with_reading
from bot.journal import intake, wordings
from bot.journal import tables as t
from bot.journal.journal import Journal
from bot.journal.wordings import Reading
from bot.surfaces.ports import Asker, Reply, Typed
from bot.surfaces.slack.surface import SlackChat
from bot.surfaces.speaker import Speech
from bot.thinking import Thinking, with_thinking
from bot.wiring.parts import TriageParts
from tests.builders import PEOPLE, a_person, desk_parts
from tests.stubs.client import SlackStub
from tests.stubs.models import API_KEY
from tests.stubs.models.client import ModelsStub
from tests.walk.test_take_in import SERVICES, made

FREE = "diagnose the shop front is sluggish since 14:00, tell bob@example.org"
MEANT = {
    "version": 1,
    "status": "understood",
    "service": "{ent:checkout}",
    "minutes": 90,
    "symptom": "pool_waiters",
}
CATALOGUE = replace(SERVICES, services=(*SERVICES.services, Service(name="billing", environment="demo")))
SECRET = "ghp_" + "a1B2c3D4" * 5
DIRECTORY = replace(
    PEOPLE,
    people=(*PEOPLE.people, replace(a_person("pat", "responder", slack="U-PAT"), scopes=("demo/billing",))),
)


@pytest.fixture
def parts(journal: Journal):
    return with_reading(desk_parts(journal, people=lambda: DIRECTORY, catalogue=lambda: CATALOGUE))


def worker(journal: Journal, reasoner: Any, **limits: Any) -> TriageParts:
    price = Price(input_usd=1.0, output_usd=2.0, source="test")
    return with_thinking(
        made(journal, catalogue=CATALOGUE), Thinking(reasoner=reasoner, limits=Limits(**limits), price=price)
    )


def says(*answers: object) -> Scripted:
    return Scripted(answers={Task.WORDS: answers})


def came(journal: Journal, text: str = FREE) -> str:
    """A delivery as a chat stores it."""
    (row,) = intake.store_said(journal, [intake.Said(system="slack", key=None, body=json.dumps(text).encode())])
    assert row is not None
    return row


def say(parts, delivery: str, text: str = FREE, account: str = "U-ANA") -> Reply:
    asker = Asker(surface="slack", account=account, place="C1", private=False)
    return desk.take(Typed(asker=asker, text=text, delivery=delivery), parts)


def copies(journal: Journal) -> list[Any]:
    with journal.read() as tx:
        return tx.all(select(t.inbox).where(t.inbox.c.delivery_key.startswith("words:")).order_by(t.inbox.c.id))


def opened(journal: Journal) -> list[tuple[str | None, int | None, str]]:
    with journal.read() as tx:
        rows = tx.all(select(t.incidents))
    return [(r["service"], r["window_s"], r["title"]) for r in rows]


def read(journal: Journal, parts, reasoner: Any, text: str = FREE, account: str = "U-ANA", **limits: Any) -> Reply:
    """Said, read by a worker, and judged again at the desk: the answer that comes last."""
    assert "Reading your words" in say(parts, came(journal, text), text, account).text
    (copy,) = copies(journal)
    understanding.read_words(copy["id"], worker(journal, reasoner, **limits))
    return say(parts, copy["id"], text, account)


def test_words_that_a_parser_can_place_are_shown_to_no_model(journal, parts):
    assert "Looking at checkout" in say(parts, came(journal), "diagnose checkout is slow").text
    assert copies(journal) == []


def test_without_a_model_the_parser_answers_at_once(journal, parts):
    plain = desk_parts(journal, people=lambda: DIRECTORY, catalogue=lambda: CATALOGUE)
    reply = say(plain, came(journal))
    assert "no service of config/services.yaml is named" in reply.text
    assert "model" not in reply.text
    assert copies(journal) == []


def test_where_nothing_was_stored_there_is_nothing_to_come_back_to_and_the_parser_answers(journal, parts):
    typed = Typed(asker=Asker(surface="console", account="ana", place="", private=True), text=FREE)
    assert "works in the channels" in desk.take(typed, parts).text
    typed = replace(typed, asker=replace(typed.asker, private=False))
    assert "no service of config/services.yaml is named" in desk.take(typed, parts).text


def test_what_a_model_read_becomes_an_incident_and_the_parsers_own_reading_goes_first(journal, parts):
    text = "diagnose the shop front is sluggish for 45 min"
    reply = read(journal, parts, says(MEANT), text)
    assert reply.text.startswith("Read as demo/checkout, the last 45 min, ")
    assert "Looking at checkout in demo" in reply.text
    ((service, window_s, title),) = opened(journal)
    assert (service, window_s) == ("checkout", 45 * 60)
    assert title.startswith("asked for in chat: ")
    assert "sluggish" not in title


def test_where_the_words_say_no_time_a_models_counts_but_no_less_than_five_minutes(journal, parts):
    read(journal, parts, says({**MEANT, "minutes": 1}), "diagnose the shop front is sluggish")
    ((_, window_s, _),) = opened(journal)
    assert window_s == 300


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"raises": "busy"}, "its provider did not answer"),
        ({"raises": "slow"}, "its provider was too slow"),
        ({"raises": "refused"}, "its provider refused, or cannot hold what it would be shown"),
        ("checkout, I think", "not in the form"),
        ({"version": 1, "status": "abstain"}, "could not tell either"),
        ({**MEANT, "service": "ent_" + "a" * 12}, "could not tell either"),
        ({**MEANT, "action": "restart"}, "not in the form"),
    ],
)
def test_whatever_goes_wrong_with_a_model_the_parser_answers_and_says_why(journal, parts, said, why, tmp_path):
    from agents.reasoners import scripted

    script = tmp_path / "script.yaml"
    script.write_text(json.dumps({"words": [said]}))
    reply = read(journal, parts, scripted.load(script))
    assert "no service of config/services.yaml is named" in reply.text
    assert "known: " in reply.text
    assert why in reply.text
    assert opened(journal) == []


def test_a_second_answer_in_the_right_form_counts(journal, parts):
    assert read(journal, parts, says("nonsense", MEANT)).text.startswith("Read as demo/checkout")


def test_a_budget_stops_the_call_before_it_is_made(journal, parts):
    reasoner = says(MEANT)
    assert "its budget of tokens was used up" in read(journal, parts, reasoner, input_tokens=10).text
    assert reasoner.asked == []


def test_a_person_has_so_many_commands_read_an_hour(journal, parts):
    for _ in range(READS_AN_HOUR):
        assert "Reading your words" in say(parts, came(journal)).text
    assert "within the hour" in say(parts, came(journal)).text
    assert "Reading your words" in say(parts, came(journal), account="U-BEN").text
    assert len(copies(journal)) == READS_AN_HOUR + 1


def test_what_a_model_took_is_kept_with_the_words(journal, parts):
    read(journal, parts, says(MEANT))
    (copy,) = copies(journal)
    spent = copy["headers"]["reading"]["spent"]
    assert spent["calls"] == 1
    assert spent["input_tokens"] > 0
    assert spent["cost_usd"] > 0


def test_no_secret_of_the_words_and_no_address_reaches_the_model(journal, parts):
    reasoner = says(MEANT)
    read(journal, parts, reasoner, f"{FREE} {SECRET}")
    ((_, view),) = reasoner.asked
    assert "sluggish" in view.text
    assert SECRET not in view.text
    assert "bob@example.org" not in view.text
    (copy,) = copies(journal)
    assert SECRET not in json.dumps(copy["headers"])


def test_a_model_is_shown_only_what_whoever_asks_may_ask_about(journal, parts):
    reasoner = says(MEANT | {"service": entity_ref("demo/checkout")})
    reply = read(journal, parts, reasoner, account="U-PAT")
    ((_, view),) = reasoner.asked
    assert "checkout" not in view.text
    assert "billing" in view.text
    assert "checkout" not in reply.text
    assert opened(journal) == []


def test_who_lost_a_scope_while_the_words_were_read_gets_nothing(journal, parts):
    say(parts, came(journal))
    (copy,) = copies(journal)
    understanding.read_words(copy["id"], worker(journal, says(MEANT)))
    narrowed = replace(DIRECTORY, people=tuple(replace(p, scopes=("demo/billing",)) for p in DIRECTORY.people))
    reply = say(replace(parts, people=lambda: narrowed), copy["id"])
    assert "checkout" not in reply.text
    assert opened(journal) == []


def test_whoever_may_ask_about_nothing_is_told_of_no_service(journal, parts):
    nothing = replace(DIRECTORY, people=tuple(replace(p, scopes=("other/*",)) for p in DIRECTORY.people))
    reply = say(replace(parts, people=lambda: nothing), came(journal))
    assert "none that you may ask about" in reply.text
    assert copies(journal) == []


# Once, whatever is killed


def test_a_command_that_is_worked_on_twice_is_read_once(journal, parts):
    delivery = came(journal)
    assert say(parts, delivery) == say(parts, delivery) == ACKNOWLEDGED
    assert len(copies(journal)) == 1


def test_a_job_run_twice_asks_the_model_once(journal, parts):
    say(parts, came(journal))
    (copy,) = copies(journal)
    reasoner = says(MEANT)
    for _ in range(2):
        understanding.read_words(copy["id"], worker(journal, reasoner))
    assert len(reasoner.asked) == 1


def test_of_two_readings_the_first_stands(journal, parts):
    say(parts, came(journal))
    (copy,) = copies(journal)
    with journal.write("test.read") as tx:
        assert wordings.hand_back(tx, copy["id"], Reading(why="first"))
        assert not wordings.hand_back(tx, copy["id"], Reading(why="second"))
    assert "first" in say(parts, copy["id"]).text


def begun(journal: Journal, parts, ago: timedelta) -> str:
    """A worker began on the words and was killed."""
    say(parts, came(journal))
    (copy,) = copies(journal)
    with journal.write("test.begun") as tx:
        assert wordings.begin(tx, copy["id"], timedelta(minutes=1)) is not None
        tx.run(t.inbox.update().where(t.inbox.c.id == copy["id"]).values(taken_at=tx.now - ago))
    return str(copy["id"])


def test_a_try_under_way_is_left_alone(journal, parts):
    row, reasoner = begun(journal, parts, timedelta(seconds=1)), says(MEANT)
    understanding.read_words(row, worker(journal, reasoner))
    assert reasoner.asked == []
    assert [c["state"] for c in copies(journal)] == [wordings.WORDING]


def test_a_try_that_broke_off_is_not_paid_again_and_the_parser_answers(journal, parts):
    row, reasoner = begun(journal, parts, timedelta(minutes=5)), says(MEANT)
    understanding.read_words(row, worker(journal, reasoner))
    assert reasoner.asked == []
    assert "it was interrupted" in say(parts, row).text


def test_a_worker_without_a_model_hands_the_words_back(journal, parts):
    say(parts, came(journal))
    (copy,) = copies(journal)
    understanding.read_words(copy["id"], made(journal))
    assert "no model is configured" in say(parts, copy["id"]).text


def tended(journal: Journal, waited: timedelta) -> list[str]:
    with journal.write("test.older") as tx:
        tx.run(t.outbox.delete())
        tx.run(t.inbox.update().where(t.inbox.c.state == wordings.WORDING).values(received_at=tx.now - waited))
    with journal.write("test.tended") as tx:
        wordings.tend(tx, timedelta(seconds=60))
    with journal.read() as tx:
        return [r["subject"] for r in tx.all(select(t.outbox).where(t.outbox.c.job == wordings.JOB))]


def test_a_bell_that_was_lost_is_rung_again(journal, parts):
    say(parts, came(journal))
    (copy,) = copies(journal)
    assert tended(journal, timedelta(seconds=1)) == []
    assert tended(journal, timedelta(seconds=20)) == [copy["id"]]


def test_words_that_nobody_reads_are_handed_back_and_a_late_worker_changes_nothing(journal, parts):
    say(parts, came(journal))
    (copy,) = copies(journal)
    assert tended(journal, timedelta(minutes=3)) == []
    reasoner = says(MEANT)
    understanding.read_words(copy["id"], worker(journal, reasoner))
    assert reasoner.asked == []
    assert "it was interrupted" in say(parts, copy["id"]).text


# At the wire: Slack on one side, a provider on the other


@pytest.fixture(scope="module")
def models() -> Iterator[ModelsStub]:
    with ModelsStub() as stub:
        yield stub


@pytest.fixture(scope="module")
def slack() -> Iterator[SlackStub]:
    with SlackStub() as stub:
        yield stub


def talk(journal: Journal, slack: SlackStub, read_by: TriageParts, *, killed: bool = False) -> list[str]:
    """The command typed at Slack; what whoever typed it was shown, in order. *killed*: between the two."""
    people = replace(PEOPLE, people=(a_person("ana", "responder", slack="U0ANA"),))
    parts = with_reading(desk_parts(journal, people=lambda: people, catalogue=lambda: CATALOGUE))

    def chats() -> Chats:
        chat = SlackChat(
            bot_token=slack.bot_token,
            app_token=slack.app_token,
            signing_secret=slack.signing_secret,
            api_url=slack.api_url,
            channel="C0INCIDENTS",
            channels=frozenset(),
            mode="socket",
            people=lambda: people,
            log=parts.log,
        )
        speech = Speech(journal=journal, people=lambda: people, log=parts.log)
        return Chats(ChatParts(journal=journal, desk=parts, speech=speech, chats=[chat], pagers=[], log=parts.log))

    def shown() -> list[str]:
        return [str(m["text"]) for m in slack.ephemerals("U0ANA")]

    async def until(holds: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while not await asyncio.to_thread(holds):
                await asyncio.sleep(0.05)

    async def whole() -> None:
        running = chats()
        await running.start()
        try:
            await asyncio.to_thread(slack.wait_for_sockets, 1)
            delivery = await asyncio.to_thread(slack.command, "U0ANA", "/fr", FREE)
            assert delivery["within_3s"]
            await until(shown)
            if killed:
                await running.stop()
            (copy,) = await asyncio.to_thread(copies, journal)
            await asyncio.to_thread(understanding.read_words, copy["id"], read_by)
            if killed:
                running = chats()
                await running.start()
            await until(lambda: copies(journal)[0]["state"] == "parsed")
        finally:
            await running.stop()

    slack.reset()
    asyncio.run(whole())
    assert slack.violations() == []
    return shown()


def over_http(models: ModelsStub, answer: dict[str, Any], **limits: Any) -> Callable[[Journal], TriageParts]:
    models.reset()
    models.order(answer)
    model = LangChain(model="openai:m", api_key=API_KEY, base_url=models.base_url("openai"))
    return lambda journal: worker(journal, model, **limits)


@pytest.mark.parametrize("killed", [False, True])
def test_over_slack_words_are_acknowledged_read_by_a_provider_and_answered_once(journal, slack, models, killed):
    answer = {"json": MEANT | {"service": entity_ref("demo/checkout")}}
    first, second = talk(journal, slack, over_http(models, answer)(journal), killed=killed)
    assert "Reading your words" in first
    assert "Read as demo/checkout, the last" in second
    assert "Looking at checkout in demo" in second
    (call,) = models.calls("openai")
    assert call["task"] == "words"
    assert len(opened(journal)) == 1


@pytest.mark.parametrize(
    ("answer", "limits", "why"),
    [
        ({"drip": 0.2}, {"call_timeout": timedelta(seconds=2)}, "its provider was too slow"),
        ({"truncated": MEANT}, {}, "not in the form"),
        ({"refusal": "no"}, {}, "its provider refused, or cannot hold what it would be shown"),
    ],
)
def test_over_slack_a_provider_that_fails_leaves_the_parsers_answer(journal, slack, models, answer, limits, why):
    _, second = talk(journal, slack, over_http(models, answer, **limits)(journal))
    assert "no service of config/services.yaml is named" in second
    assert "checkout" in second
    assert why in second
    assert opened(journal) == []
