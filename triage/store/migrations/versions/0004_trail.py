"""Indexes for the trail's filters: a long trail is not read through for each question."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_trail_actor"), "trail", ["actor"])
    op.create_index(op.f("ix_trail_kind_sequence"), "trail", ["kind", "sequence"])
    op.create_index(op.f("ix_trail_at"), "trail", ["at"])
