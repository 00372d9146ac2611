"""The desk: presses and commands of any surface, decided by the same rules and answered in the same words."""
