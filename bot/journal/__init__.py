"""The durable truth: SQLAlchemy Core over SQLite or PostgreSQL, the same statements on both."""
