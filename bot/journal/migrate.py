"""Bringing a journal to this version's tables, with Alembic; nothing is ever dropped on the way up."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from bot.journal.journal import open_engine


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def upgrade(url: str) -> str:
    """Create or upgrade the tables at *url*. Returns the revision reached. Safe to run again."""
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    engine = open_engine(url)
    config = _config()
    config.attributes["engine"] = engine
    try:
        command.upgrade(config, "head")
        return _present(engine) or ""
    finally:
        engine.dispose()


def head() -> str | None:
    """The revision this version's migrations lead to."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _present(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()
