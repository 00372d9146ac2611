"""Setting up: answers, checked as they are given, and the files they are written to."""
