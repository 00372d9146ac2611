"""Pagers outside chat: told when a person is needed, that somebody has it, and that it is over."""
