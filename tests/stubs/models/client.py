"""Starts the stub of the models and tells where each provider is."""

from typing import Any

from tests.stubs.client import Stub
from tests.stubs.models import API_KEY


class ModelsStub(Stub):
    """Three providers in one program."""

    module = "tests.stubs.models"

    def __init__(self, *, key: str = API_KEY, port: int = 0) -> None:
        """Start it."""
        self.key = key
        super().__init__("--key", key, port=port)

    def base_url(self, provider: str) -> str:
        """What a provider's library takes as its address."""
        return f"{self.url}/v1" if provider == "openai" else self.url

    def order(self, *answers: Any, task: str = "*") -> None:
        """What is said next: each of ``{"json": …}``, ``text``, ``truncated``, ``huge``, ``refusal``, ``drip``."""
        self.ask("order", task=task, answers=list(answers))

    def manners(self, **given: Any) -> None:
        """How the server differs from the provider's own: ``refuses``, ``usage``, ``streams``, ``context``."""
        self.ask("manners", **given)
