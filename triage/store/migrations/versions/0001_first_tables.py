"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "head",
        sa.Column("only", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("trail_sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("trail_hash", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("only", name=op.f("pk_head")),
    )
    op.execute(f"INSERT INTO head VALUES (1, 0, '{'0' * 64}', 1)")
    op.create_table(
        "studies",
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("study_uid", sa.Text(), nullable=False),
        sa.Column("header", sa.JSON(), nullable=False),
        sa.Column("modality", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("ordered_rank", sa.Integer(), nullable=False),
        sa.Column("level_rank", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column("unread", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("screened_revision", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("screening_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_studies")),
        sa.UniqueConstraint("study_uid", name=op.f("uq_studies_study_uid")),
    )
    op.create_index(
        op.f("ix_studies_level_rank_sequence"),
        "studies",
        ["level_rank", "sequence"],
        unique=False,
        sqlite_where=sa.text("unread IS 1"),
        postgresql_where=sa.text("unread IS true"),
    )
    op.create_index(
        op.f("ix_studies_ordered_rank_sequence"),
        "studies",
        ["ordered_rank", "sequence"],
        unique=False,
        sqlite_where=sa.text("revision > screened_revision"),
        postgresql_where=sa.text("revision > screened_revision"),
    )
    op.create_table(
        "trail",
        sa.Column(
            "sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("study_uid", sa.Text(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_trail")),
    )
    op.create_index(op.f("ix_trail_study_uid"), "trail", ["study_uid"], unique=False)
    op.create_table(
        "workers",
        sa.Column("executor_id", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("beat_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("executor_id", name=op.f("pk_workers")),
    )
    op.create_table(
        "instances",
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("sop_uid", sa.Text(), nullable=False),
        sa.Column("study_uid", sa.Text(), nullable=False),
        sa.Column("header", sa.JSON(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["study_uid"], ["studies.study_uid"], name=op.f("fk_instances_study_uid")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_instances")),
        sa.UniqueConstraint("sop_uid", name=op.f("uq_instances_sop_uid")),
    )
    op.create_index(op.f("ix_instances_study_uid"), "instances", ["study_uid"], unique=False)
    op.create_table(
        "screenings",
        sa.Column(
            "screening_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("study_uid", sa.Text(), nullable=False),
        sa.Column("bundle", sa.Text(), nullable=False),
        sa.Column("weights_sha256", sa.Text(), nullable=False),
        sa.Column("images_sha256", sa.Text(), nullable=False),
        sa.Column("software_version", sa.Text(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["study_uid"], ["studies.study_uid"], name=op.f("fk_screenings_study_uid")),
        sa.PrimaryKeyConstraint("screening_id", name=op.f("pk_screenings")),
        sa.UniqueConstraint(
            "study_uid",
            "bundle",
            "weights_sha256",
            "images_sha256",
            "software_version",
            name=op.f("uq_screenings_study_uid_bundle_weights_sha256_images_sha256_software_version"),
        ),
    )
    op.create_index(op.f("ix_screenings_study_uid"), "screenings", ["study_uid"], unique=False)
    op.create_table(
        "explanations",
        sa.Column(
            "explanation_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("screening_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("study_uid", sa.Text(), nullable=False),
        sa.Column("sop_uid", sa.Text(), nullable=False),
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("header", sa.JSON(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["screening_id"], ["screenings.screening_id"], name=op.f("fk_explanations_screening_id")
        ),
        sa.PrimaryKeyConstraint("explanation_id", name=op.f("pk_explanations")),
        sa.UniqueConstraint(
            "screening_id",
            "sop_uid",
            "finding",
            "method",
            name=op.f("uq_explanations_screening_id_sop_uid_finding_method"),
        ),
    )
    op.create_index(op.f("ix_explanations_study_uid"), "explanations", ["study_uid"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_explanations_study_uid"), table_name="explanations")
    op.drop_table("explanations")
    op.drop_index(op.f("ix_screenings_study_uid"), table_name="screenings")
    op.drop_table("screenings")
    op.drop_index(op.f("ix_instances_study_uid"), table_name="instances")
    op.drop_table("instances")
    op.drop_table("workers")
    op.drop_index(op.f("ix_trail_study_uid"), table_name="trail")
    op.drop_table("trail")
    op.drop_index(op.f("ix_studies_level_rank_sequence"), table_name="studies")
    op.drop_index(op.f("ix_studies_ordered_rank_sequence"), table_name="studies")
    op.drop_table("studies")
    op.drop_table("head")
