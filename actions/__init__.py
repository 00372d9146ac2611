"""The half that acts: no model, no chat, and the only code that changes anything."""
