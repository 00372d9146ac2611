"""A stand-in for the Telegram Bot API: polling, webhook, and the messages of a few chats."""

TOKEN = "123456789:stub-token-of-the-bot-stub-token-0"
BOT_ID = 123456789
BOT_USERNAME = "firstresponder_stub_bot"
