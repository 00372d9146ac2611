"""Slack: one workspace, one channel for cards, by Socket Mode or by signed requests."""
