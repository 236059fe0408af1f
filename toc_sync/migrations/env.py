"""Alembic's entry: migrates our own tables, and only them, through the connection it is given."""

from alembic import context
from sqlalchemy import text

connection = context.config.attributes["connection"]
schema = context.config.attributes["schema"]
if schema:
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
context.configure(connection=connection, version_table_schema=schema)
with context.begin_transaction():
    context.run_migrations()
