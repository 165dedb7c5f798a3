"""The list's filters: text to search, the version that brought a STAT study, and indexes that answer without rows."""

import json

import sqlalchemy as sa
from alembic import op

from data_schemas.study import StudyHeader
from triage.store.search import search_text

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BATCH = 2000


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("studies", sa.Column("search", sa.Text(), server_default="", nullable=False))
    op.add_column("studies", sa.Column("stat_version", number, nullable=True))
    fill(op.get_bind())
    op.drop_index(op.f("ix_studies_level_rank_sequence"), table_name="studies")
    op.create_index(
        op.f("ix_studies_level_rank_status_modality"),
        "studies",
        ["level_rank", "status", "modality"],
        sqlite_where=sa.text("unread IS 1"),
        postgresql_where=sa.text("unread IS true"),
    )
    op.create_index(
        op.f("ix_studies_level_rank_sequence_status_modality_search"),
        "studies",
        ["level_rank", "sequence", "status", "modality", "search"],
        sqlite_where=sa.text("unread IS 1"),
        postgresql_where=sa.text("unread IS true"),
    )
    op.create_index(
        op.f("ix_studies_sequence_level_rank_modality_search"),
        "studies",
        ["sequence", "level_rank", "modality", "search"],
        sqlite_where=sa.text("unread IS 0"),
        postgresql_where=sa.text("unread IS false"),
    )
    op.create_index(
        op.f("ix_studies_stat_version"),
        "studies",
        ["stat_version"],
        sqlite_where=sa.text("unread IS 1 AND level_rank = 0"),
        postgresql_where=sa.text("unread IS true AND level_rank = 0"),
    )


def fill(connection: sa.Connection) -> None:
    """The text of studies that are known; STAT studies among them are no news. Modalities fit an index from now on."""
    connection.execute(sa.text("UPDATE studies SET stat_version = 0 WHERE level_rank = 0"))
    connection.execute(sa.text("UPDATE studies SET modality = substr(modality, 1, 16) WHERE length(modality) > 16"))
    some = sa.text("SELECT sequence, header FROM studies WHERE sequence > :last ORDER BY sequence LIMIT :batch")
    text = sa.text("UPDATE studies SET search = :text WHERE sequence = :sequence")
    last = 0
    while rows := connection.execute(some, {"last": last, "batch": BATCH}).all():
        connection.execute(text, [{"sequence": row.sequence, "text": text_of(row.header)} for row in rows])
        last = rows[-1].sequence


def text_of(header: object) -> str:
    """Of a header as the driver gives it: text on SQLite, a value on PostgreSQL."""
    return search_text(StudyHeader.model_validate(json.loads(header) if isinstance(header, str) else header))
