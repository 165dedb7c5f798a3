"""When a study may be screened: its slices come one by one."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("studies", sa.Column("screen_from", sa.Float(), server_default="0", nullable=False))
