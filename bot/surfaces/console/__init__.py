"""The terminal as a surface: a live card when a person watches, plain lines when not."""
