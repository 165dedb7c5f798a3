"""Alembic scripts, run by triage.store.migrate."""
