"""Scored, not asserted: how often what is said is right."""
