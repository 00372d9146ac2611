"""A card as the messages of a chat: a root that is edited, questions of their own, the rest below the root."""

from collections.abc import Iterable

from bot.surfaces.ports import Ask, Card, Lane, Message


def messages(card: Card) -> tuple[Message, ...]:
    """The root first. Whoever may answer is mentioned where somebody is asked for."""
    return (_root(card), *_below(card), *_asks(card), *_plea(card))


def _root(card: Card) -> Message:
    lines = [f"State: {card.state}", *card.summary, *card.actions]
    if card.over or card.reason:
        lines += card.outcome[:1]  # while it is watched the question's own card shows each sample
    if card.reason:
        lines.append(f"Why it stands here: {card.reason}")
    return Message(
        key="root",
        lane=Lane.ROOT,
        headline=card.headline,
        lines=tuple(lines),
        buttons=card.buttons,
        link=card.link,
        loud=True,
        over=card.over,
    )


def _below(card: Card) -> Iterable[Message]:
    if card.reported and card.finding_id is not None:
        yield Message(
            key=f"finding:{card.finding_id}",
            lane=Lane.DETAIL,
            headline=card.finding[0] if card.finding else card.headline,
            lines=card.finding[1:],
            chart=card.chart,
            link=card.link,
            below=True,
            fixed=True,
        )


def _asks(card: Card) -> Iterable[Message]:
    for ask in {ask.id: ask for ask in card.asks}.values():
        newest = ask is card.asks[-1]
        if ask.runbook:
            yield Message(
                key=f"runbook:{ask.id}",
                lane=Lane.DETAIL,
                headline=ask.headline,
                lines=ask.lines,
                below=True,
                fixed=True,
            )
            continue
        yield Message(
            key=f"ask:{ask.id}",
            lane=Lane.ASK if ask.waiting else Lane.ESCALATION if ask.over else Lane.EDIT,
            headline=ask.brief.headline if ask.brief is not None else ask.headline,
            lines=_of(card, ask, card.outcome if newest and not ask.waiting else ()),
            buttons=ask.brief.buttons if ask.brief is not None else ask.buttons,
            more=tuple(
                b for b in ask.more if ask.brief is None or b.label not in {o.label for o in ask.brief.buttons}
            ),
            link=card.link,
            mention=ask.eligible if ask.waiting else (),
            late=not ask.waiting,
            loud=True,
        )


def _of(card: Card, ask: Ask, outcome: tuple[str, ...]) -> tuple[str, ...]:
    """Its own lines, under the incident they belong to and what came of it."""
    return (f"Incident: {card.headline}", *outcome, *(ask.brief.lines if ask.brief is not None else ask.lines))


def _plea(card: Card) -> Iterable[Message]:
    plea = card.plea
    if plea is None:
        return
    yield Message(
        key=f"plea:{plea.id}:{plea.times}",
        lane=Lane.ESCALATION,
        headline="A person is needed",
        lines=(f"Incident: {card.headline}", *plea.lines, *card.summary[:1]),
        buttons=plea.buttons,
        link=card.link,
        mention=() if plea.acked else plea.called,
        late=plea.acked,
        loud=True,
    )
