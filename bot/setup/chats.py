"""Which chat the bot is in, and what it needs there: its tokens and the place it writes to."""

from collections.abc import Callable, Mapping

from agents.incident.errors import BadInput
from bot.setup import checks
from bot.setup.checks import Check
from bot.setup.form import Form
from bot.setup.wish import SLACK_API, TELEGRAM_API, secret_in


def wanted(form: Form) -> tuple[str, ...]:
    """Slack, Telegram, both or none: what was said, or is there already."""
    wish = form.wish
    if wish.no_chat:
        return ()
    there = {"slack": "SLACK__BOT_TOKEN", "telegram": "TELEGRAM__TOKEN"}
    asked = {"slack": wish.slack, "telegram": wish.telegram}
    chats = tuple(c for c, name in there.items() if asked[c] or form.held.get(name))
    if chats:
        return chats
    if form.talk is None:
        form.missing.append("--slack, --telegram or --no-chat")
        return ()
    said = form.talk.choose("Which chat?", ("slack", "telegram", "both", "none"), "slack")
    return {"both": ("slack", "telegram"), "none": ()}.get(said, (said,))


def slack(form: Form) -> Callable[[str], Check]:
    """The tokens and the channel; gives how to try a member of the same workspace."""
    wish, held = form.wish, form.held
    api = form.kept("Slack's API", "--slack-api-url", wish.slack_api_url, held.get("SLACK__API_URL"))
    api = api or SLACK_API
    mode = form.kept("Slack's transport", "--slack-mode", wish.slack_mode, held.get("SLACK__MODE")) or "socket"
    if mode not in {"socket", "http"}:
        raise BadInput(f"--slack-mode is {mode!r}; it must be socket or http")
    token, bot = _token(
        form,
        "Slack bot token (xoxb-…)",
        "--slack-bot-token-file FILE (or FIRSTRESPONDER_SLACK__BOT_TOKEN)",
        given=secret_in(wish.slack_bot_token_file),
        there=held.get("SLACK__BOT_TOKEN"),
        check=lambda t: checks.slack_bot(t, api),
    )
    if mode == "socket":
        app = form.settle(
            "Slack app token (xapp-…)",
            "--slack-app-token-file FILE (or FIRSTRESPONDER_SLACK__APP_TOKEN)",
            given=secret_in(wish.slack_app_token_file),
            there=held.get("SLACK__APP_TOKEN"),
            secret=True,
            check=lambda t: checks.slack_app(t, api),
        )
        form.set("SLACK__APP_TOKEN", app)
    else:
        signing = form.settle(
            "Slack signing secret",
            "--slack-signing-secret-file FILE (or FIRSTRESPONDER_SLACK__SIGNING_SECRET)",
            given=secret_in(wish.slack_signing_secret_file),
            there=held.get("SLACK__SIGNING_SECRET"),
            secret=True,
        )
        form.set("SLACK__SIGNING_SECRET", signing)
    channel = form.settle(
        "Slack channel id (C…)",
        "--slack-channel ID",
        given=wish.slack_channel,
        there=held.get("SLACK__CHANNEL"),
        check=(lambda c: checks.slack_channel(token, api, c, bot.get("user", ""))) if bot is not None else None,
    )
    form.set("SLACK__BOT_TOKEN", token)
    form.set("SLACK__CHANNEL", channel)
    form.set("SLACK__MODE", mode, "socket")
    form.set("SLACK__API_URL", api, SLACK_API)
    return lambda user: checks.slack_user(token if bot is not None else "", api, user)


def telegram(form: Form) -> None:
    """The token and the chat."""
    wish, held = form.wish, form.held
    api = form.kept("Telegram's API", "--telegram-api-url", wish.telegram_api_url, held.get("TELEGRAM__API_URL"))
    api = api or TELEGRAM_API
    token, bot = _token(
        form,
        "Telegram bot token (from @BotFather)",
        "--telegram-token-file FILE (or FIRSTRESPONDER_TELEGRAM__TOKEN)",
        given=secret_in(wish.telegram_token_file),
        there=held.get("TELEGRAM__TOKEN"),
        check=lambda t: checks.telegram_bot(t, api, held.get("TELEGRAM__MODE") or "polling"),
    )
    chat = form.settle(
        "Telegram chat (-100…, or -100…/TOPIC)",
        "--telegram-chat=ID",
        given=wish.telegram_chat,
        there=held.get("TELEGRAM__CHAT"),
        check=(lambda c: checks.telegram_chat(token, api, c, bot.get("id", ""))) if bot is not None else None,
    )
    form.set("TELEGRAM__TOKEN", token)
    form.set("TELEGRAM__CHAT", chat)
    form.set("TELEGRAM__API_URL", api, TELEGRAM_API)


def _token(
    form: Form, question: str, flag: str, *, given: str, there: str, check: Callable[[str], Check]
) -> tuple[str, Mapping[str, str] | None]:
    """A bot's token, and what its platform told of the bot; None where it was not tried or is not good."""
    last: list[Check] = []

    def proven(token: str) -> Check:
        last[:] = [check(token)]
        return last[0]

    token = form.settle(question, flag, given=given, there=there, secret=True, check=proven)
    return token, last[0].facts if last and last[0].ok else None
