"""Judges what was said by the recording's own files. Shares no code with what said it: only the standard library
and a YAML reader are used here, and a test holds it to that."""
