"""The environment, read here and nowhere else. Each process has its own settings.

Every variable begins with ``FIRSTRESPONDER_``; config/env.example lists them.
"""

from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from agents.incident.errors import BadInput
from bot.processes import PREFIX

S = TypeVar("S", bound="Settings")


class Settings(BaseSettings):
    """What every process needs."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    journal_url: SecretStr = SecretStr("sqlite:///var/journal.db")
    redis_url: SecretStr = Field(default_factory=lambda: SecretStr(_redis_of_up()))
    config: Path = Path("config")
    log_json: bool | None = None
    crash_file: Path | None = Field(default=None, description="tests only: see agents/incident/crash.py")

    @property
    def journal(self) -> str:
        """The journal's address, with its password."""
        return self.journal_url.get_secret_value()

    @property
    def redis(self) -> str:
        """The Redis address, with its password."""
        return self.redis_url.get_secret_value()


class ReceiverSettings(Settings):
    """``firstresponder serve``: webhook secrets."""

    host: str = "127.0.0.1"
    port: int = 8080
    webhook_tokens: dict[str, list[SecretStr]] = Field(default_factory=dict)
    max_body_bytes: int = 1024 * 1024
    spans_window_s: float = 300


class TriageSettings(Settings):
    """``firstresponder work triage``: read-only credentials."""

    probe_tokens: dict[str, SecretStr] = Field(default_factory=dict)
    gather_budget_s: float = 8
    spans_window_s: float = 300


class ActionSettings(Settings):
    """``firstresponder work actions``: write credentials, and nothing else has them."""

    supervisor_url: str = ""
    supervisor_token: SecretStr = SecretStr("")
    supervisor_environment: str = ""
    lease_s: float = 30


class ClockSettings(Settings):
    """``firstresponder clock``: no secrets beyond the journal and Redis."""

    tick_s: float = 0.25
    reconcile_s: float = 15
    lease_s: float = 30
    triage_silence_s: float = 60


class ConsoleSettings(Settings):
    """``firstresponder console``: the terminal surface."""

    account: str = ""


def _redis_of_up() -> str:
    """The Redis that ``firstresponder up`` serves from its default folder, else the usual port."""
    socket = Path("var/redis/redis.sock")
    return f"unix://{socket.resolve()}?db=0" if socket.exists() else "redis://127.0.0.1:6379/0"


def span(seconds: float) -> timedelta:
    """Seconds from the environment as a span."""
    return timedelta(seconds=seconds)


def read(kind: type[S]) -> S:
    """The settings of one process; BadInput names the variable that is wrong."""
    try:
        return kind()
    except ValidationError as error:
        names = ", ".join(PREFIX + "_".join(str(p) for p in e["loc"]).upper() for e in error.errors())
        raise BadInput(f"settings cannot be read, check {names}: {error.errors()[0]['msg']}") from error
