"""A site's own operating points; a result that was told by them is another result."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

FORMER = "uq_screenings_study_uid_bundle_weights_sha256_images_sha256_software_version"
RESULT = ("study_uid", "bundle", "weights_sha256", "images_sha256", "software_version", "points_sha256")


def upgrade() -> None:
    op.create_table(
        "operating_points",
        sa.Column("bundle", sa.Text(), nullable=False),
        sa.Column("weights_sha256", sa.Text(), nullable=False),
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("point", sa.Float(53), nullable=False),
        sa.Column("own", sa.Float(53), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("bundle", "weights_sha256", "finding", name=op.f("pk_operating_points")),
    )
    with op.batch_alter_table("screenings") as batch:
        batch.add_column(sa.Column("points_sha256", sa.Text(), nullable=False, server_default=""))
        batch.drop_constraint(op.f(FORMER), type_="unique")
        batch.create_unique_constraint("uq_screenings_result", list(RESULT))
