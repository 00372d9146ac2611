"""Stand-ins for three providers of language models on the loopback, each in its own wire format."""

API_KEY = "stub-key-of-the-models-stub"
