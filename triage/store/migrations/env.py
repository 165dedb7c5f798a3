"""Alembic's entry: runs on the connection that triage.store.migrate hands over."""

from alembic import context

from triage.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    include_object=lambda thing, name, kind, reflected, compared: kind != "table" or name in metadata.tables,
)
with context.begin_transaction():
    context.run_migrations()
