"""The three wire formats, each answered from the script.

OpenAI chat completions: platform.openai.com/docs/api-reference/chat. Anthropic messages:
docs.anthropic.com/en/api/messages. Ollama chat: github.com/ollama/ollama/blob/main/docs/api.md.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable

from aiohttp import web

from tests.stubs.common import Failure, Json, served
from tests.stubs.models.script import Manners, Said, State

Answer = Callable[[Json, Said, Manners], web.Response]
Refuse = Callable[[Failure], web.Response]


def routes(state: State) -> Iterable[web.RouteDef]:
    """What a provider's library calls."""

    def route(path: str, method: str, answer: Answer, refuse: Refuse) -> web.RouteDef:
        async def handle(request: web.Request) -> web.Response:
            body: Json = json.loads(await request.read())

            async def work(call: Json) -> web.Response:
                call["args"] = body
                call["task"] = task_of(body)
                if state.key and _key_of(request) != state.key:
                    return refuse(Failure(status=401, error="invalid key"))
                met = _unserved(body, state.manners)
                if met:
                    call["error"] = met
                    return refuse(Failure(status=400, error=met))
                said = state.next(call["task"])
                if said.drip_s:
                    return _drip(said)
                return answer(body, said, state.manners)

            return await served(request, state.log, method, work, refuse)

        return web.post(path, handle)

    return (
        route("/v1/chat/completions", "openai", _openai, _openai_refuses),
        route("/v1/messages", "anthropic", _anthropic, _anthropic_refuses),
        route("/api/chat", "ollama", _ollama, _ollama_refuses),
    )


def _unserved(body: Json, manners: Manners) -> str:
    """What a server of these manners says against a request, in the words of llama.cpp's and vLLM's."""
    met = next((name for name in manners.refuses if name in body or name in body.get("options", {})), "")
    if met:
        return f"Unrecognized request argument supplied: {met}"
    if manners.context and len(json.dumps(body["messages"])) > manners.context:
        return f"the request exceeds the available context size ({manners.context} tokens), try increasing it"
    return ""


def _key_of(request: web.Request) -> str:
    """The key as a bearer token, or in Anthropic's own header: its library has sent either."""
    return request.headers.get("x-api-key") or request.headers.get("Authorization", "").removeprefix("Bearer ")


def task_of(body: Json) -> str:
    """The name of the shape that is asked for, wherever the provider has it."""
    if "response_format" in body:
        return str(body["response_format"].get("json_schema", {}).get("name", ""))
    if body.get("tools"):
        return str(body["tools"][0].get("name") or body["tools"][0]["function"]["name"])
    return str(body["format"].get("title", "")) if isinstance(body.get("format"), dict) else ""


def _drip(said: Said) -> web.Response:
    """A byte now and then: every read is in time, and the answer never comes."""

    async def bytes_of() -> AsyncIterator[bytes]:
        for _ in range(600):
            yield b" "
            await asyncio.sleep(said.drip_s)

    return web.Response(body=bytes_of(), content_type="application/json")


def _openai(body: Json, said: Said, manners: Manners) -> web.Response:
    message = {"role": "assistant", "content": said.text, "refusal": None}
    if said.refusal:
        message = {"role": "assistant", "content": None, "refusal": said.refusal}
    whole: Json = {
        "id": "chatcmpl-stub",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "length" if said.cut else "stop"}],
    }
    if manners.usage:
        whole["usage"] = {
            "prompt_tokens": said.input_tokens,
            "completion_tokens": said.output_tokens,
            "total_tokens": said.input_tokens + said.output_tokens,
        }
    return web.json_response(whole)


def _openai_refuses(failure: Failure) -> web.Response:
    status = 429 if failure.kind == "ratelimited" else failure.status
    error = {"message": failure.error, "type": "server_error", "param": None, "code": None}
    return web.json_response({"error": error}, status=status, headers={"Retry-After": str(failure.retry_after)})


def _anthropic(body: Json, said: Said, manners: Manners) -> web.Response:
    stop = "end_turn"
    content: list[Json] = [{"type": "text", "text": said.text}]
    if said.refusal:
        stop, content = "refusal", [{"type": "text", "text": said.refusal}]
    elif said.whole and body.get("tools"):
        stop = "tool_use"
        content = [{"type": "tool_use", "id": "toolu_stub", "name": task_of(body), "input": said.value}]
    return web.json_response(
        {
            "id": "msg_stub",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": content,
            "stop_reason": "max_tokens" if said.cut else stop,
            "stop_sequence": None,
            "usage": {"input_tokens": said.input_tokens, "output_tokens": said.output_tokens}
            if manners.usage
            else {"input_tokens": 0, "output_tokens": 0},
        }
    )


def _anthropic_refuses(failure: Failure) -> web.Response:
    status = 429 if failure.kind == "ratelimited" else failure.status
    error = {"type": "rate_limit_error" if status == 429 else "api_error", "message": failure.error}
    return web.json_response({"type": "error", "error": error}, status=status)


def _ollama(body: Json, said: Said, manners: Manners) -> web.Response:
    whole: Json = {
        "model": body["model"],
        "created_at": "2026-11-24T14:05:00Z",
        "message": {"role": "assistant", "content": said.refusal or said.text},
        "done": True,
        "done_reason": "length" if said.cut else "stop",
        "total_duration": 1,
        "load_duration": 1,
        "prompt_eval_count": said.input_tokens,
        "prompt_eval_duration": 1,
        "eval_count": said.output_tokens,
        "eval_duration": 1,
    }
    if not manners.usage:
        whole = {k: v for k, v in whole.items() if not k.endswith("_count")}
    if not body.get("stream", True) or not manners.streams:
        return web.json_response(whole)
    first = {k: whole[k] for k in ("model", "created_at", "message")} | {"done": False}
    last = whole | {"message": {"role": "assistant", "content": ""}}
    return web.Response(
        text=json.dumps(first) + "\n" + json.dumps(last) + "\n", content_type="application/x-ndjson"
    )


def _ollama_refuses(failure: Failure) -> web.Response:
    status = 429 if failure.kind == "ratelimited" else failure.status
    return web.json_response({"error": failure.error}, status=status)
