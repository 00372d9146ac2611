"""Opsgenie Alert API (docs.opsgenie.com/docs/alert-api): an alert under an alias, closed by the same alias."""

from urllib.parse import quote

import httpx

from agents.incident.errors import Transient
from bot.pagers.pagerduty import judge
from bot.pagers.ports import Call

PRIORITY = {"critical": "P1", "warning": "P3", "info": "P5"}


class Opsgenie:
    """One integration's API key."""

    name = "opsgenie"

    def __init__(self, api_key: str, api_url: str) -> None:
        self._client = httpx.AsyncClient(
            base_url=api_url,
            timeout=10,
            headers={"Authorization": f"GenieKey {api_key}"},
            follow_redirects=False,
        )

    async def tell(self, call: Call) -> None:
        """POST /v2/alerts, …/acknowledge, …/close."""
        alias = quote(call.key, safe="")
        if call.event == "trigger":
            path = "/v2/alerts"
            body: dict[str, object] = {
                "message": call.summary[:130],
                "alias": call.key,
                "description": f"{call.reason}\n{call.link}".strip()[:15000],
                "entity": call.service[:512],
                "source": "firstresponder",
                "priority": PRIORITY.get(call.severity, "P2"),
                "details": {"incident": call.incident_id, "call": str(call.times)},
            }
        else:
            verb = "acknowledge" if call.event == "acknowledge" else "close"
            path = f"/v2/alerts/{alias}/{verb}?identifierType=alias"
            body = {"source": "firstresponder"}
        try:
            answer = await self._client.post(path, json=body)
        except httpx.HTTPError as error:
            raise Transient(f"Opsgenie did not answer: {type(error).__name__}") from error
        judge("Opsgenie", answer, "OPSGENIE__API_KEY")

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()
