"""How the app learns what happened: Socket Mode frames, or signed HTTP requests, with their retries."""

import asyncio
import hashlib
import hmac
import json
import random
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import WSMsgType, web

from tests.stubs.common import Json, reset
from tests.stubs.slack.api import SlackError, answer
from tests.stubs.slack.state import APP, Delivery, State

TYPES = {"interactive": "interactions", "slash_commands": "commands", "events_api": "events"}


def signed(secret: str, body: bytes, at: float) -> dict[str, str]:
    """https://docs.slack.dev/authentication/verifying-requests-from-slack"""
    stamp = str(int(at))
    digest = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}


@dataclass(slots=True)
class Socket:
    """One connection of the app."""

    id: str
    ws: web.WebSocketResponse
    leaving: bool = False
    since: float = field(default_factory=time.time)


class Deliverer:
    """Sends what happened to the app and remembers how that went."""

    def __init__(self, state: State) -> None:
        """No socket is connected yet."""
        self.state = state
        self.sockets: dict[str, Socket] = {}
        self._waiting: dict[str, tuple[Delivery, Json, asyncio.Event]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """A socket. https://docs.slack.dev/apis/events-api/using-socket-mode"""
        ticket = self.state.triggers.get(request.query.get("ticket", ""), {})
        if self.state.log.down or not ticket.get("socket") or ticket["used"]:
            return reset(request)
        ticket["used"] = True
        ws = web.WebSocketResponse(heartbeat=None)
        await ws.prepare(request)
        if len([s for s in self.sockets.values() if not s.leaving]) >= self.state.limits.sockets:
            await ws.send_json(
                {"type": "disconnect", "reason": "too_many_websockets", "debug_info": {"host": "stub"}}
            )
            await ws.close()
            return ws
        socket = Socket(self.state.new_id("socket"), ws)
        self.sockets[socket.id] = socket
        hello = {
            "type": "hello",
            "num_connections": len(self.sockets),
            "debug_info": {"host": "stub", "build_number": 1, "approximate_connection_time": 18060},
            "connection_info": {"app_id": APP},
        }
        try:
            await ws.send_json(hello)
            async for frame in ws:
                if frame.type == WSMsgType.TEXT:
                    self._acknowledged(socket, frame.data)
        except ConnectionError:
            pass
        finally:
            self.sockets.pop(socket.id, None)
        return ws

    def _acknowledged(self, socket: Socket, data: str) -> None:
        """https://docs.slack.dev/apis/events-api/using-socket-mode#acknowledge"""
        try:
            frame = json.loads(data)
            envelope = str(frame["envelope_id"])
        except (ValueError, KeyError, TypeError):
            self.state.log.violate("bad_frame", data[:200], socket=socket.id)
            return
        if envelope not in self._waiting:
            self.state.log.violate("unknown_envelope", envelope, socket=socket.id)
            return
        delivery, attempt, event = self._waiting[envelope]
        if attempt["acked_at"] is not None:
            self.state.log.violate("acknowledged_twice", envelope, socket=socket.id)
            return
        payload = frame.get("payload")
        if payload is not None and not attempt["accepts_response_payload"]:
            self.state.log.violate("unaccepted_response_payload", json.dumps(payload)[:200], socket=socket.id)
        self._settle(delivery, attempt, payload)
        event.set()

    def _settle(self, delivery: Delivery, attempt: Json, response: Any) -> None:
        """An acknowledgement came, in time or late."""
        attempt["acked_at"] = time.time()
        attempt["latency"] = time.monotonic() - attempt["monotonic"]
        in_time = attempt["latency"] <= self.state.limits.ack_s
        if not delivery.acked:
            delivery.acked, delivery.latency, delivery.response = True, attempt["latency"], response
        delivery.within_3s = delivery.within_3s or in_time
        if in_time and isinstance(response, dict):
            self._answered(delivery, response)

    def _answered(self, delivery: Delivery, response: Json) -> None:
        """What an acknowledgement says changes what people see."""
        kind = delivery.payload.get("type", "")
        try:
            if delivery.kind == "slash_commands" and (response.get("text") or response.get("blocks")):
                where = {"channel": delivery.payload["channel_id"], "user": delivery.payload["user_id"]}
                answer(self.state, where, response)
            elif kind == "view_submission":
                known = self.state.views[delivery.payload["view"]["id"]]
                action = response.get("response_action")
                if action in ("update", "push"):
                    known["view"] = {**known["view"], **response["view"]}
                elif action == "errors":
                    known["errors"] = response.get("errors")
        except (SlackError, KeyError) as error:
            self.state.log.violate("bad_response_payload", repr(error))

    def start(self, delivery: Delivery, ordered: Json) -> None:
        """Deliver in the background."""
        self.state.deliveries[delivery.id] = delivery
        task = asyncio.create_task(self._deliver(delivery, ordered))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, delivery: Delivery, ordered: Json) -> None:
        """Every attempt; only events are tried again. https://docs.slack.dev/apis/events-api/#retries"""
        pauses = (None, *self.state.limits.event_retries_s) if delivery.kind == "events_api" else (None,)
        reason = ""
        for number, pause in enumerate(pauses):
            if pause is not None:
                await asyncio.sleep(pause)
            attempt: Json = {
                "n": number + int(ordered.get("retry_num") or 0),
                "reason": reason
                or ordered.get("retry_reason")
                or ("http_timeout" if ordered.get("retry_num") else ""),
                "at": time.time(),
                "monotonic": time.monotonic(),
                "acked_at": None,
                "latency": None,
                "error": None,
                "accepts_response_payload": delivery.kind == "slash_commands"
                or delivery.payload.get("type") in ("view_submission", "block_suggestion"),
            }
            delivery.attempts.append(attempt)
            if delivery.via == "http":
                await self._by_http(delivery, attempt, ordered)
            else:
                await self._by_socket(delivery, attempt)
            if delivery.within_3s:
                if delivery.payload.get("type") == "view_submission":
                    self._close_view(delivery)
                return
            reason = {"timeout": "timeout", "http_timeout": "http_timeout"}.get(
                attempt["error"] or "", "http_error"
            )

    def _close_view(self, delivery: Delivery) -> None:
        response = delivery.response if isinstance(delivery.response, dict) else {}
        if response.get("response_action") not in ("errors", "update", "push"):
            self.state.views[delivery.payload["view"]["id"]]["open"] = False

    async def _by_socket(self, delivery: Delivery, attempt: Json) -> None:
        able = [s for s in self.sockets.values() if not s.leaving and not s.ws.closed]
        if not able:
            attempt["error"] = "no_socket"
            return
        socket = random.choice(able)  # "any of the open connections"
        envelope = f"{self.state.new_id('envelope')}"
        frame: Json = {
            "envelope_id": envelope,
            "payload": delivery.payload,
            "type": delivery.kind,
            "accepts_response_payload": attempt["accepts_response_payload"],
        }
        if delivery.kind == "events_api":
            frame |= {"retry_attempt": attempt["n"], "retry_reason": attempt["reason"]}
        attempt |= {"socket": socket.id, "envelope_id": envelope, "at": time.time(), "monotonic": time.monotonic()}
        event = asyncio.Event()
        self._waiting[envelope] = (delivery, attempt, event)
        try:
            await socket.ws.send_json(frame)
            await asyncio.wait_for(event.wait(), self.state.limits.ack_s)
        except TimeoutError:
            attempt["error"] = "timeout"
        except ConnectionError:
            attempt["error"] = "socket_closed"

    async def _by_http(self, delivery: Delivery, attempt: Json, ordered: Json) -> None:
        """One request as Slack makes it; *ordered* may spoil its signature."""
        url = delivery.url
        if url is None:
            attempt["error"] = "no_url"
            return
        if delivery.kind == "events_api":
            body, kind = json.dumps(delivery.payload).encode(), "application/json"
        elif delivery.kind == "slash_commands":
            body, kind = urlencode(delivery.payload).encode(), "application/x-www-form-urlencoded"
        else:
            body = urlencode({"payload": json.dumps(delivery.payload)}).encode()
            kind = "application/x-www-form-urlencoded"
        headers = {"Content-Type": kind, "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)"}
        how = ordered.get("signature") or "good"
        at = time.time() - (float(ordered.get("age_s") or 301) if how == "old" else 0.0)
        if how != "missing":
            secret = "another-secret" if how == "wrong" else self.state.signing_secret
            headers |= signed(secret, body, at)
        if attempt["n"]:
            headers |= {"X-Slack-Retry-Num": str(attempt["n"]), "X-Slack-Retry-Reason": attempt["reason"]}
        timeout = aiohttp.ClientTimeout(total=self.state.limits.ack_s)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                text = await response.text()
                attempt |= {"status": response.status, "body": text}
                delivery.status = response.status
                if response.ok:
                    try:
                        said: Any = json.loads(text)
                    except ValueError:
                        said = {"text": text} if text and delivery.kind == "slash_commands" else text
                    self._settle(delivery, attempt, said)
                else:
                    attempt["latency"] = time.monotonic() - attempt["monotonic"]
                    attempt["error"] = "http_error"
        except TimeoutError:
            attempt["error"] = "http_timeout"
        except aiohttp.ClientError as error:
            attempt["error"] = f"connection_failed: {error}"

    async def disconnect(self, reason: str, count: int | None, *, abrupt: bool) -> list[str]:
        """Tell sockets to go. https://docs.slack.dev/apis/events-api/using-socket-mode#disconnect"""
        gone = [s for s in self.sockets.values() if not s.leaving][:count]
        for socket in gone:
            socket.leaving = True
            if not abrupt:
                await socket.ws.send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": "stub"}})
            task = asyncio.create_task(self._close(socket, abrupt=abrupt))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return [s.id for s in gone]

    async def _close(self, socket: Socket, *, abrupt: bool) -> None:
        if not abrupt:
            await asyncio.sleep(self.state.limits.disconnect_grace_s)
        await socket.ws.close()
