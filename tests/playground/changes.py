"""What the CD system tells the world: CDEvents records, posted in the background until they arrive."""

import queue
import threading
import time
import uuid
from collections.abc import Mapping
from datetime import datetime

from tests.playground.client import send_json
from tests.playground.osproc import rfc3339

SOURCE = "/playground/cd"
RETRY_S = 0.5


def record(*, service: str, artifact: str, at: datetime, custom: Mapping[str, object]) -> dict[str, object]:
    """A `service.deployed` event with our own data beside it."""
    return {
        "context": {
            "specversion": "0.5.0",
            "id": str(uuid.uuid4()),
            "source": SOURCE,
            "type": "dev.cdevents.service.deployed.0.2.0",
            "timestamp": rfc3339(at),
        },
        "subject": {
            "id": service,
            "source": SOURCE,
            "type": "service",
            "content": {"environment": {"id": "playground"}, "artifactId": artifact},
        },
        "customData": dict(custom),
        "customDataContentType": "application/json",
    }


class Feed:
    """Posts records in order, each until it is accepted."""

    def __init__(self, *, url: str, token: str) -> None:
        """Start the thread that posts."""
        self._url = url
        self._token = token
        self._queue: queue.SimpleQueue[dict[str, object]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="changes", daemon=True).start()

    def post(self, event: dict[str, object]) -> None:
        """Queue a record and return at once."""
        self._queue.put(event)

    def _run(self) -> None:
        while True:
            event = self._queue.get()
            while not send_json("POST", self._url, event, token=self._token).accepted:
                time.sleep(RETRY_S)
