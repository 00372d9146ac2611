"""Telegram as a surface: one bot, by long polling or by a webhook; HTML text, inline keyboards, replies."""
