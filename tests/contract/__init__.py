"""One suite for each port, run on the real thing: SQLite, PostgreSQL, Redis."""
