"""The environment, read here and nowhere else. Each process has its own settings.

Every variable begins with ``FIRSTRESPONDER_``; config/env.example lists them.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from agents.incident.errors import BadInput
from bot.processes import PREFIX

S = TypeVar("S", bound="Settings")


class Settings(BaseSettings):
    """What every process needs."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="ignore", frozen=True)

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


class SlackSettings(BaseModel):
    """One workspace. Empty ``bot_token``: no Slack."""

    bot_token: SecretStr = SecretStr("")
    app_token: SecretStr = SecretStr("")
    signing_secret: SecretStr = SecretStr("")
    channel: str = ""
    channels: frozenset[str] = frozenset()
    mode: Literal["socket", "http"] = "socket"
    api_url: str = "https://slack.com/api/"
    theme: Literal["light", "dark"] = "light"
    prefix: str = "/"

    @model_validator(mode="after")
    def _whole(self) -> "SlackSettings":
        if not self.bot_token.get_secret_value():
            return self
        if not self.channel:
            raise ValueError("SLACK__CHANNEL is missing: the id of the channel where cards are posted (C…)")
        if self.mode == "socket" and not self.app_token.get_secret_value():
            raise ValueError("SLACK__APP_TOKEN is missing (xapp-…), or set SLACK__MODE=http")
        if self.mode == "http" and not self.signing_secret.get_secret_value():
            raise ValueError("SLACK__SIGNING_SECRET is missing: without it nobody could prove to be Slack")
        return self


class TelegramSettings(BaseModel):
    """One bot. Empty ``token``: no Telegram."""

    token: SecretStr = SecretStr("")
    chat: str = ""
    chats: frozenset[str] = frozenset()
    mode: Literal["polling", "webhook"] = "polling"
    webhook_url: str = ""
    webhook_secret: SecretStr = SecretStr("")
    api_url: str = "https://api.telegram.org"
    theme: Literal["light", "dark"] = "light"

    @model_validator(mode="after")
    def _whole(self) -> "TelegramSettings":
        if not self.token.get_secret_value():
            return self
        if not self.chat:
            raise ValueError("TELEGRAM__CHAT is missing: the id of the chat where cards are posted (-100…)")
        if self.mode == "webhook" and not (self.webhook_url and self.webhook_secret.get_secret_value()):
            raise ValueError("TELEGRAM__MODE=webhook needs TELEGRAM__WEBHOOK_URL and TELEGRAM__WEBHOOK_SECRET")
        return self


class PagerDutySettings(BaseModel):
    """Events API v2. Empty ``routing_key``: no PagerDuty."""

    routing_key: SecretStr = SecretStr("")
    api_url: str = "https://events.pagerduty.com"


class OpsgenieSettings(BaseModel):
    """Alert API. Empty ``api_key``: no Opsgenie."""

    api_key: SecretStr = SecretStr("")
    api_url: str = "https://api.opsgenie.com"


class PageSettings(BaseModel):
    """The incident page. ``url`` is what links begin with; left out, the receiver's own address."""

    url: str = ""
    session_hours: float = 12
    proxy_header: str = ""
    proxy_from: frozenset[str] = frozenset({"127.0.0.1", "::1"})


class ReceiverSettings(Settings):
    """``firstresponder serve``: webhook secrets, chat tokens, the page."""

    host: str = "127.0.0.1"
    port: int = 8080
    webhook_tokens: dict[str, list[SecretStr] | dict[str, SecretStr]] = Field(default_factory=dict)
    max_body_bytes: int = 1024 * 1024
    source_limit: int = Field(default=3000, ge=0)
    overload_s: float = Field(default=60, gt=0)
    spans_window_s: float = 300
    slack: SlackSettings = SlackSettings()
    telegram: TelegramSettings = TelegramSettings()
    pagerduty: PagerDutySettings = PagerDutySettings()
    opsgenie: OpsgenieSettings = OpsgenieSettings()
    page: PageSettings = PageSettings()
    reads_words: bool = False

    def webhook_secrets(self) -> dict[str, dict[str, str]]:
        """The live secrets of each source by the names that logs may say: a list's are called 1, 2 …."""
        named = {
            source: given if isinstance(given, dict) else {str(n): one for n, one in enumerate(given, 1)}
            for source, given in self.webhook_tokens.items()
        }
        return {
            source: {name: found for name, one in secrets.items() if (found := one.get_secret_value())}
            for source, secrets in named.items()
        }

    @property
    def page_url(self) -> str:
        """What links to the page begin with."""
        return (self.page.url or f"http://{self.host}:{self.port}").rstrip("/")


class ModelSettings(BaseModel):
    """A language model and what it may take for one incident. Empty ``name``: no model, nothing of one is loaded.

    ``name`` is ``provider:name`` (``openai:…``, ``anthropic:…``, ``ollama:…``), or ``scripted:FILE`` for recorded
    answers. ``options`` go to the provider's class as they are, and hold no key. ``max_shown`` are tokens in all,
    ``max_said`` of one answer.
    """

    name: str = ""
    api_key: SecretStr = SecretStr("")
    base_url: str = ""
    options: dict[str, Any] = Field(default_factory=dict)
    order: bool = False
    rounds: int = Field(default=3, ge=1, le=10)
    tool_calls: int = Field(default=30, ge=0)
    max_shown: int = Field(default=60_000, ge=0)
    max_said: int = Field(default=2_000, ge=1)
    wall_clock_s: float = Field(default=120, gt=0)
    call_timeout_s: float = Field(default=30, gt=0)
    cost_usd: float = Field(default=0.30, ge=0)


class TriageSettings(Settings):
    """``firstresponder work triage``: read-only credentials, and the model's key."""

    probe_tokens: dict[str, SecretStr] = Field(default_factory=dict)
    gather_budget_s: float = 8
    spans_window_s: float = 300
    model: ModelSettings = ModelSettings()


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
