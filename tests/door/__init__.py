"""The receiver as its senders meet it: a real process, real HTTP."""
