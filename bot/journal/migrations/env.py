"""Alembic's entry: one connection, one transaction, the project's own engine."""

from alembic import context
from sqlalchemy import Engine

from bot.journal.tables import metadata

engine: Engine = context.config.attributes["engine"]
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
