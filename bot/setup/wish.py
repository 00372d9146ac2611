"""What somebody who sets up has said so far: flags, and what the files and the environment hold already."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agents.incident.errors import BadInput
from bot.processes import PREFIX

SLACK_API = "https://slack.com/api/"
TELEGRAM_API = "https://api.telegram.org"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The flags of ``firstresponder init``. Secrets are only ever named by the file that holds them."""

    config: Path = Path("config")
    env_file: Path = Path("var/env")
    state: Path = Path("var")
    slack: bool = False
    telegram: bool = False
    no_chat: bool = False
    slack_bot_token_file: Path | None = None
    slack_app_token_file: Path | None = None
    slack_signing_secret_file: Path | None = None
    slack_channel: str = ""
    slack_mode: str = ""
    slack_api_url: str = ""
    telegram_token_file: Path | None = None
    telegram_chat: str = ""
    telegram_api_url: str = ""
    prometheus: str = ""
    no_prometheus: bool = False
    prometheus_environment: str = ""
    prometheus_token_file: Path | None = None
    alertmanager_source: str = ""
    services: tuple[str, ...] = ()
    person: str = ""
    person_name: str = ""
    person_roles: tuple[str, ...] = ()
    slack_user: str = ""
    telegram_user: str = ""
    console_user: str = ""
    page_url: str = ""
    host: str = ""
    port: int | None = None
    yes: bool = False
    force: bool = False
    skip_checks: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is there already: variables in the file, and those of this environment for what the file lacks."""

    file: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """One variable, named without the common prefix; empty when it is not set."""
        return self.file.get(PREFIX + name) or self.environ.get(PREFIX + name) or ""


def secret_in(file: Path | None) -> str:
    """A secret from its file; empty when none is named."""
    if file is None:
        return ""
    try:
        said = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read ({type(error).__name__})") from error
    if not said or len(said.split()) != 1:
        raise BadInput(f"{file} must hold the secret and nothing else")
    return said
