"""Alembic's entry: runs migrations on the connection that `Database.upgrade` hands over.

There is no other way in: the address and its keys are the application's to know.
"""

from __future__ import annotations

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transactional_ddl=True, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
