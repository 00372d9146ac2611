"""One delivery through the door: proven, stored, answered, in that order. How it is answered is in ``answers``."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import uuid4

import anyio
import anyio.to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from agents.incident.clock import now
from agents.incident.errors import BadInput, BadProof, Transient
from agents.incident.redaction import redact
from bot.journal.intake import Delivery, Stored
from bot.receiver import answers, pagerduty, safe
from bot.receiver.commits import Commits
from bot.receiver.confirmations import Confirmations
from bot.receiver.lines import Lines
from bot.receiver.load import MOST_AT_ONCE, MOST_STRANGERS, Overload, Rates
from bot.receiver.proofs import SELF_PROVING, URL_TOKEN, challenges, routing_key
from bot.receiver.proofs.proof import any_same_text, live
from bot.receiver.refused import NOBODY, Refused
from bot.receiver.sources import Sender
from bot.receiver.systems.reading import Reading

BODY_PATIENCE_S = 10.0
LONG_BYTES = 64 * 1024
"""A longer body is read by a thread, so that the others need not wait for it."""

LONGEST_KEY = 200
KEPT = (
    *("content-type", "content-encoding", "user-agent", "ce-type", "circleci-event-type", "gotk-component"),
    *("idempotency-key", "sentry-hook-resource", "webhook-id", "x-amz-sns-message-id", "x-amz-sns-message-type"),
    *("x-amz-sns-rawdelivery", "x-amz-sns-topic-arn", "x-github-delivery", "x-github-event", "x-gitlab-event"),
    *("x-gitlab-event-uuid", "x-gitlab-webhook-uuid", "x-netlify-event", "x-rundeck-notification-trigger"),
    "x-webhook-id",
)
"""Headers that a reading needs, and no other: what proves a sender is not kept."""


class TooLarge(Exception):
    """A body longer than may be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A delivery that is stored, and what it seems to say."""

    sender: Sender
    stored: Stored
    reading: Reading | BadInput


class Door:
    """Every configured source's way in."""

    def __init__(
        self,
        senders: Mapping[str, Sender],
        *,
        commits: Commits,
        overload: Overload,
        rates: Rates,
        refused: Refused,
        confirmations: Confirmations,
        lines: Lines,
        max_body_bytes: int,
        log: Any,
    ) -> None:
        self._senders = senders
        self._commits = commits
        self._overload = overload
        self._rates = rates
        self.refused = refused
        self._confirmations = confirmations
        self._lines = lines
        self._max_body_bytes = max_body_bytes
        self._log = log
        self._inside = self._strangers = 0
        self._told: set[str] = set()

    async def webhook(self, request: Request) -> Response:
        """``POST /v1/webhooks/{source}``."""
        return await self._enter(request, request.path_params["source"])

    async def changes(self, request: Request) -> Response:
        """``POST /v1/changes``: the source that is called so."""
        return await self._enter(request, "changes")

    async def challenge(self, request: Request) -> Response:
        """``GET /v1/webhooks/{source}?token=``: Netdata Cloud asks whether we hold the secret that it gave us."""
        name = request.path_params["source"]
        sender = self._senders.get(name)
        if sender is None or sender.system is None:
            return answers.unknown(name)
        if sender.system.name != "netdata":
            return answers.no(405, f"{sender.system.title} sends by POST", Allow="POST")
        secret = next(iter(sender.secrets.values()), "")
        try:
            return answers.Said(challenges.netdata(request.query_params.get("token", ""), secret))
        except (BadProof, UnicodeEncodeError):
            return answers.no(
                400, "a challenge is ?token= with 1 to 1024 characters, for a source that has a secret"
            )

    async def enqueue(self, request: Request) -> Response:
        """``POST /v2/enqueue``: an alert event as for PagerDuty."""
        return await self._pagerduty(request, change=False)

    async def enqueue_change(self, request: Request) -> Response:
        """``POST /v2/change/enqueue``: a change event as for PagerDuty."""
        return await self._pagerduty(request, change=True)

    async def _enter(self, request: Request, name: str) -> Response:
        if closed := self._closed(NOBODY):
            return closed
        sender = self._senders.get(name)
        if sender is None or sender.system is None:
            self.refused.count(NOBODY, "unknown_source")
            return answers.unknown(name)
        if self._rates.full(sender.name):
            return self._too_many(sender)
        headers = headers_of(request)
        early = sender.proven_first or sender.unsigned
        if not early and self._strangers >= MOST_STRANGERS:
            return self._crowded(sender.name)
        self._inside += 1
        self._strangers += not early
        try:
            # What needs no body is proven before one is read: nobody unknown makes us hold a megabyte.
            secret = sender.prove(headers, b"", now()) if early else ""
            body = await self.read(request, sender.name)
            if isinstance(body, Response):
                return body
            secret = secret or await self._prove(sender, headers, body)
            taken = await self._store(sender, headers, body, secret)
        except BadProof as error:
            self.refused.count(sender.name, "unproven", str(error))
            return answers.unproven(sender.scheme)
        except Transient as error:
            return self._unavailable(sender, error)
        finally:
            self._inside -= 1
            self._strangers -= not early
        return answers.taken(sender, taken.stored, taken.reading)

    async def _pagerduty(self, request: Request, *, change: bool) -> Response:
        if closed := self._closed(NOBODY):
            return closed
        if self._strangers >= MOST_STRANGERS:
            return self._crowded(NOBODY)
        self._inside += 1
        self._strangers += 1
        try:
            body = await self.read(request, NOBODY)
            if isinstance(body, Response):
                return body
            event = pagerduty.opened(body)
            if event is None:
                return answers.Said(pagerduty.refused(["the body is not a JSON object"]), status_code=400)
            errors = pagerduty.change_errors(event) if change else pagerduty.alert_errors(event)
            if errors:
                return answers.Said(pagerduty.refused(errors), status_code=400)
            return await self._event(headers_of(request), body, event, change=change)
        finally:
            self._inside -= 1
            self._strangers -= 1

    async def _event(
        self, headers: Mapping[str, str], body: bytes, event: pagerduty.Event, *, change: bool
    ) -> Response:
        found = self._by_routing_key(event)
        if found is None:
            self.refused.count(NOBODY, "unproven", "routing_key: not one of any source's")
            return answers.Said({**pagerduty.refused(["Invalid routing key"]), "error": answers.UNPROVEN}, 401)
        sender, secret = found
        if self._rates.full(sender.name):
            return self._too_many(sender)
        key, rewritten = pagerduty.keyed(event, uuid4()) if not change else ("", None)
        try:
            taken = await self._store(sender, headers, rewritten or body, secret)
        except Transient as error:
            return self._unavailable(sender, error)
        said = answers.warning(taken.reading)
        if answers.placeholder(taken.reading):
            return answers.Said(pagerduty.refused([said]), status_code=400)
        return answers.Said(
            pagerduty.took_change(said) if change else pagerduty.took_alert(key, said), status_code=202
        )

    def _by_routing_key(self, event: pagerduty.Event) -> tuple[Sender, str] | None:
        """The source that *event* belongs to, and the name of the secret that it says."""
        given = str(event.get(routing_key.NAME, ""))
        for sender in self._senders.values():
            if sender.scheme.name == routing_key.NAME and sender.row.system == pagerduty.SYSTEM:
                for name, secret in sender.secrets.items():
                    if any_same_text(live([secret]), given):
                        return sender, name
        return None

    async def _prove(self, sender: Sender, headers: Mapping[str, str], body: bytes) -> str:
        if sender.scheme.name in SELF_PROVING:  # keys may have to be fetched
            return await anyio.to_thread.run_sync(sender.prove, headers, body, now())
        return sender.prove(headers, body, now())

    async def _store(self, sender: Sender, headers: Mapping[str, str], body: bytes, secret: str) -> Taken:
        kept = {name: headers[name] for name in KEPT if name in headers}
        if len(body) > LONG_BYTES:
            reading = await anyio.to_thread.run_sync(_read, sender, kept, body)
        else:
            reading = _read(sender, kept, body)
        stored = await self._commits.store(
            Delivery(
                source=sender.name,
                system=sender.row.system,
                key=_key(headers.get(sender.scheme.delivery_header, ""), reading),
                headers=kept,
                body=sender.to_keep(body),
                asks=self._confirmations.asks(sender, kept, body),
            )
        )
        self._took(sender, stored, reading, secret)
        return Taken(sender=sender, stored=stored, reading=reading)

    def _took(self, sender: Sender, stored: Stored, reading: Reading | BadInput, secret: str) -> None:
        self._rates.count(sender.name)
        self.refused.taken(sender.name)
        self._confirmations.look()
        self._lines.add(sender.name, secret, stored.id, duplicate=stored.duplicate)
        said = answers.warning(reading)
        if not said:
            self._told.discard(sender.name)
        elif sender.name not in self._told:
            # Once, until the source sends something that can be used.
            self._told.add(sender.name)
            self._log.warning("receive.unreadable", source=sender.name, inbox_id=stored.id, error=said)

    def _closed(self, source: str) -> Response | None:
        reason = self._overload.reason
        if not reason and self._inside >= MOST_AT_ONCE:
            reason = f"{MOST_AT_ONCE} deliveries are being taken at this moment"
        if not reason:
            return None
        self.refused.count(source, "overloaded", reason)
        return answers.busy(f"too busy to take it: {reason}")

    def _crowded(self, source: str) -> Response:
        reason = f"{MOST_STRANGERS} deliveries that are proven by their bodies are being taken at this moment"
        self.refused.count(source, "overloaded", reason)
        return answers.busy(f"too busy to take it: {reason}")

    def _too_many(self, sender: Sender) -> Response:
        self.refused.count(sender.name, "too_many", "the source has had its share of five minutes")
        return answers.busy("this source has sent more than its share in five minutes", 30)

    def _unavailable(self, sender: Sender, error: Transient) -> Response:
        self.refused.count(sender.name, "unavailable", str(error))
        return answers.busy(str(error), error.retry_after.total_seconds())

    async def read(self, request: Request, source: str) -> bytes | Response:
        """The body, read no further than it may be long; or the answer to one that cannot be had."""
        try:
            with anyio.fail_after(BODY_PATIENCE_S):
                return await _body(request, self._max_body_bytes)
        except TimeoutError:
            self.refused.count(source, "slow")
            return answers.no(408, f"the body did not come within {BODY_PATIENCE_S:g} s", Connection="close")
        except TooLarge:
            self.refused.count(source, "too_large")
            error = f"the body is larger than {self._max_body_bytes} bytes"
            return answers.no(413, error, Connection="close")
        except ClientDisconnect:
            return answers.no(400, "the connection closed before the body was whole")


async def _body(request: Request, most: int) -> bytes:
    told = request.headers.get("content-length", "")
    if told.isdigit() and int(told) > most:
        raise TooLarge
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise TooLarge
        chunks.append(chunk)
    return b"".join(chunks)


def headers_of(request: Request) -> dict[str, str]:
    """The headers by their names in lower case; a token of the URL stands among them as ``URL_TOKEN``."""
    found = dict(request.headers.items())
    if token := request.query_params.get("token"):
        found[URL_TOKEN] = token
    return found


def _read(sender: Sender, headers: Mapping[str, str], body: bytes) -> Reading | BadInput:
    try:
        return sender.read(headers, body)
    except BadInput as error:
        return error


def _key(header: str, reading: Reading | BadInput) -> str | None:
    """The sender's own id of this delivery. Where there is none nothing is dropped as a repeat.

    What the reading says counts before the proof's header: GitLab gives one event's id to all that follow from it.
    """
    own = None if isinstance(reading, BadInput) else reading.delivery_key
    key = (own or "").strip() or header.strip()
    if not key:
        return None
    keeps = len(key) <= LONGEST_KEY and key == safe.storable(key) and redact(key) == key
    return key if keeps else sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
