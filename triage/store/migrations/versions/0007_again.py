"""Studies that wait to be screened again, and what every result was told by."""

import json

import sqlalchemy as sa
from alembic import op

from data_schemas.score import StudyScreening
from triage.store.basis import basis_sha256

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BATCH = 500


def upgrade() -> None:
    op.add_column("studies", sa.Column("turn", sa.Integer(), nullable=False, server_default="0"))
    op.drop_index(op.f("ix_studies_ordered_rank_sequence"), table_name="studies")
    op.create_index(
        op.f("ix_studies_turn_ordered_rank_sequence"),
        "studies",
        ["turn", "ordered_rank", "sequence"],
        sqlite_where=sa.text("revision > screened_revision"),
        postgresql_where=sa.text("revision > screened_revision"),
    )
    # in place: Alembic would copy the whole table on SQLite
    op.execute("ALTER TABLE screenings RENAME COLUMN points_sha256 TO basis_sha256")
    fill(op.get_bind())


def fill(connection: sa.Connection) -> None:
    """The basis of results that are known."""
    some = sa.text(
        "SELECT screening_id, result FROM screenings WHERE screening_id > :last ORDER BY screening_id LIMIT :batch"
    )
    basis = sa.text("UPDATE screenings SET basis_sha256 = :basis WHERE screening_id = :number")
    last = 0
    while rows := connection.execute(some, {"last": last, "batch": BATCH}).all():
        connection.execute(basis, [{"number": row.screening_id, "basis": basis_of(row.result)} for row in rows])
        last = rows[-1].screening_id


def basis_of(result: object) -> str:
    """Of a result as the driver gives it: text on SQLite, a value on PostgreSQL."""
    return basis_sha256(StudyScreening.model_validate(json.loads(result) if isinstance(result, str) else result))
