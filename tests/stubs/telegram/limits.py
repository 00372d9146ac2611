"""Every size, count and rate the Telegram stub holds callers to. All can be changed through its control."""

from pydantic import BaseModel, ConfigDict


class Limits(BaseModel):
    """What Telegram refuses, or will not take faster."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # https://core.telegram.org/bots/api#sendmessage (after entities parsing; counted here in UTF-16 code units)
    text: int = 4_096
    # https://core.telegram.org/bots/api#sendphoto
    caption: int = 1_024
    photo_bytes: int = 10 * 1024 * 1024
    # https://core.telegram.org/bots/api#senddocument
    document_bytes: int = 50 * 1024 * 1024
    # https://core.telegram.org/bots/api#inlinekeyboardbutton (bytes)
    callback_data: int = 64
    # https://core.telegram.org/bots/api#forcereply
    placeholder: int = 64
    # https://core.telegram.org/bots/api#answercallbackquery
    answer_text: int = 200
    # https://core.telegram.org/bots/api#answercallbackquery gives no figure; bots report about 15 s
    answer_s: float = 15.0
    # https://core.telegram.org/bots/api#botcommand, #setmycommands
    commands: int = 100
    command_description: int = 256
    # https://core.telegram.org/bots/api#setwebhook
    secret_token: int = 256
    # https://core.telegram.org/bots/api#html-style: "All <, > and & symbols that are not a part of a tag or an
    # HTML entity must be replaced". tdlib (MessageEntity.cpp, parse_html) lets a lone & pass; strict refuses it.
    # A lone > is noted as a violation.
    strict_html: bool = True

    # https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
    rates: bool = True
    chat_burst: int = 4
    chat_every_s: float = 1.0
    group_a_minute: int = 20
    overall_a_second: int = 30
    edits_count: bool = True  # whether edits count against a group's 20 is not documented

    # https://core.telegram.org/bots/api#getting-updates: kept up to 24 hours;
    # https://github.com/tdlib/telegram-bot-api: button presses 150 s
    updates_kept_s: float = 24 * 3600
    presses_kept_s: float = 150.0
    # https://core.telegram.org/bots/api#getupdates
    poll_s: float = 50.0
    # https://core.telegram.org/bots/api#setwebhook: "we will repeat the request"
    webhook_timeout_s: float = 60.0
    webhook_first_pause_s: float = 1.0
    webhook_longest_pause_s: float = 60.0
