"""The tables. Times are UTC; values of our own types are stored as JSON beside the columns that queries need."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
BIG = BigInteger().with_variant(Integer, "sqlite")
"""64 bits on both; SQLite counts rows up by itself only in a column called INTEGER."""

studies = Table(
    "studies",
    metadata,
    Column("sequence", BIG, primary_key=True, autoincrement=True),
    Column("study_uid", Text, nullable=False, unique=True),
    Column("header", JSON, nullable=False),
    Column("modality", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("ordered_rank", Integer, nullable=False),
    Column("level_rank", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("findings", JSON, nullable=False),
    Column("unread", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("screened_revision", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("screening_id", BIG),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("search", Text, nullable=False, server_default=""),
    Column("stat_version", BIG),
    Column("screen_from", Float, nullable=False, server_default="0"),
    Column("turn", Integer, nullable=False, server_default="0"),
)
"""One row a study; `level_rank`, `reason`, `status` and `findings` are those of its newest screening.

`revision` counts arrivals and orders to screen it again, `screened_revision` is the one the newest result speaks of:
while it is behind, the study waits to be screened. `turn` says who comes first: 0 where images wait, 1 where an unread
study only waits to be screened again, 2 where a read one does. `attempts` counts the times a worker began since then.
`search` is what `triage.store.search` finds it by; `stat_version` is the head's version when it came to stand at STAT.
Before `screen_from`, epoch seconds, more slices are expected.
"""

UNREAD = studies.c.unread.is_(True)
READ = studies.c.unread.is_(False)
STAT = UNREAD & (studies.c.level_rank == text("0"))
WAITING = studies.c.revision > studies.c.screened_revision
Index(None, *studies.c["turn", "ordered_rank", "sequence"], sqlite_where=WAITING, postgresql_where=WAITING)
# Filters and counts are answered from indexes alone: a row with its header and findings is ten times as long.
Index(None, *studies.c["level_rank", "status", "modality"], sqlite_where=UNREAD, postgresql_where=UNREAD)
Index(
    None,
    *studies.c["level_rank", "sequence", "status", "modality", "search"],
    sqlite_where=UNREAD,
    postgresql_where=UNREAD,
)
Index(None, *studies.c["sequence", "level_rank", "modality", "search"], sqlite_where=READ, postgresql_where=READ)
Index(None, studies.c.stat_version, sqlite_where=STAT, postgresql_where=STAT)

instances = Table(
    "instances",
    metadata,
    Column("sequence", BIG, primary_key=True, autoincrement=True),
    Column("sop_uid", Text, nullable=False, unique=True),
    Column("study_uid", Text, ForeignKey("studies.study_uid"), nullable=False, index=True),
    Column("header", JSON, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("path", Text, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
)
"""`path` is relative to the folder of files."""

screenings = Table(
    "screenings",
    metadata,
    Column("screening_id", BIG, primary_key=True, autoincrement=True),
    Column("study_uid", Text, ForeignKey("studies.study_uid"), nullable=False, index=True),
    Column("bundle", Text, nullable=False),
    Column("weights_sha256", Text, nullable=False),
    Column("images_sha256", Text, nullable=False),
    Column("software_version", Text, nullable=False),
    Column("result", JSON, nullable=False),
    Column("basis_sha256", Text, nullable=False, server_default=""),
    Column("made_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint(
        "study_uid",
        "bundle",
        "weights_sha256",
        "images_sha256",
        "software_version",
        "basis_sha256",
        name="uq_screenings_result",
    ),
)
"""Every result a study ever had; equal study, bundle, weights, images, software and basis give one row, however often
run. `basis_sha256` is that of triage.store.basis: every model that judged, with its version, and every operating point.
"""

explanations = Table(
    "explanations",
    metadata,
    Column("explanation_id", BIG, primary_key=True, autoincrement=True),
    Column("screening_id", BIG, ForeignKey("screenings.screening_id"), nullable=False),
    Column("study_uid", Text, nullable=False, index=True),
    Column("sop_uid", Text, nullable=False),
    Column("finding", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("header", JSON, nullable=False),
    Column("path", Text, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("screening_id", "sop_uid", "finding", "method"),
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("verdict_id", BIG, primary_key=True, autoincrement=True),
    Column("study_uid", Text, ForeignKey("studies.study_uid"), nullable=False, index=True),
    Column("screening_id", BIG, ForeignKey("screenings.screening_id"), nullable=False),
    Column("actor", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("withdrawn_at", DateTime(timezone=True)),
)
"""What readers said of results; what was taken back stays, with the time."""

operating_points = Table(
    "operating_points",
    metadata,
    Column("bundle", Text, primary_key=True),
    Column("weights_sha256", Text, primary_key=True),
    Column("finding", Text, primary_key=True),
    Column("point", Float(53), nullable=False),
    Column("own", Float(53), nullable=False),
    Column("actor", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("set_at", DateTime(timezone=True), nullable=False),
)
"""The site's own operating points that are in force, each for one finding of these very weights; the trail holds those
that were. Written while the head's row is held, so that two who decide at once do so one after the other.
"""

openings = Table(
    "openings",
    metadata,
    Column("window", Text, primary_key=True),
    Column("study_uid", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("beat_at", Float(53), nullable=False),
)
"""Which browser window shows which study, and when it last said so, in epoch seconds."""

trail = Table(
    "trail",
    metadata,
    Column("sequence", BIG, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("study_uid", Text, nullable=False, index=True),
    Column("fields", Text, nullable=False),
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
)
"""`at` and `fields` are the very text that was hashed."""

Index(None, trail.c.actor)
Index(None, *trail.c["kind", "sequence"])
Index(None, trail.c["at"])

head = Table(
    "head",
    metadata,
    Column("only", Integer, primary_key=True, autoincrement=False),
    Column("trail_sequence", BIG, nullable=False),
    Column("trail_hash", Text, nullable=False),
    Column("version", BIG, nullable=False),
)
"""One row: the end of the trail, and a number that changes with every change a page could show."""

workers = Table(
    "workers",
    metadata,
    Column("executor_id", Text, primary_key=True),
    Column("lane", Text, nullable=False),
    Column("beat_at", Float(53), nullable=False),
)
"""Epoch seconds in double precision: 4 bytes would round them to two minutes."""
