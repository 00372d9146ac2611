"""One wiring per process: what it can do is the list of its parts."""
