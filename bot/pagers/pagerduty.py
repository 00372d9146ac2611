"""PagerDuty Events API v2 (developer.pagerduty.com/docs/events-api-v2): one event a call, joined by dedup_key."""

from datetime import timedelta

import httpx

from agents.incident.errors import Refused, Transient
from bot.pagers.ports import Call

SEVERITY = {"critical": "critical", "warning": "warning", "info": "info"}


class PagerDuty:
    """One integration's routing key."""

    name = "pagerduty"

    def __init__(self, routing_key: str, api_url: str) -> None:
        self._key = routing_key
        self._client = httpx.AsyncClient(base_url=api_url, timeout=10, follow_redirects=False)

    async def tell(self, call: Call) -> None:
        """POST /v2/enqueue. 202 is taken; 429 and 5xx are tried again; anything else will not change."""
        body: dict[str, object] = {"routing_key": self._key, "event_action": call.event, "dedup_key": call.key}
        if call.event == "trigger":
            body["payload"] = {
                "summary": call.summary[:1024],
                "source": call.service or "firstresponder",
                "severity": SEVERITY.get(call.severity, "error"),
                "component": call.service,
                "custom_details": {"why": call.reason, "incident": call.incident_id, "call": call.times},
            }
            if call.link:
                body["links"] = [{"href": call.link, "text": "The incident's page"}]
        try:
            answer = await self._client.post("/v2/enqueue", json=body)
        except httpx.HTTPError as error:
            raise Transient(f"PagerDuty did not answer: {type(error).__name__}") from error
        judge("PagerDuty", answer, "PAGERDUTY__ROUTING_KEY")

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()


def judge(who: str, answer: httpx.Response, setting: str) -> None:
    """What an answer's status means for the next try."""
    if answer.status_code == 429 or answer.is_server_error:
        after = answer.headers.get("retry-after", "")
        wait = timedelta(seconds=int(after) if after.isdigit() else 10)
        raise Transient(f"{who} answered {answer.status_code}", retry_after=wait)
    if answer.is_error or answer.is_redirect:
        raise Refused(f"{who} refused with {answer.status_code}; check FIRSTRESPONDER_{setting}")
