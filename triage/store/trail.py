"""The trail: what was done and shown, by whom and when, each entry chained to the one before by its hash.

hash = SHA-256 of the previous hash, a newline, and the entry as JSON with sorted keys. An entry is appended in the same
transaction as what it records, so that neither is there without the other.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from data_schemas.audit import TrailEntry, TrailEvent
from triage.store.database import Store, reading
from triage.store.tables import head, trail

FIRST_HASH = "0" * 64


@dataclass(frozen=True)
class TrailVerdict:
    """Whether the chain holds."""

    entries: int
    first_broken: int | None
    """Sequence of the first entry that does not fit; one beyond the last where entries are missing at the end."""

    @property
    def intact(self) -> bool:
        """Whether every entry fits."""
        return self.first_broken is None

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        if self.intact:
            return f"the trail is intact: {self.entries} entries"
        return f"the trail is broken at entry {self.first_broken} of {self.entries}"


def append(connection: Connection, event: TrailEvent) -> None:
    """Appends within the caller's transaction; the head's row makes writers wait for each other."""
    fields = {storable(name): storable(v) if isinstance(v, str) else v for name, v in event.fields.items()}
    last = connection.execute(select(head.c.trail_sequence, head.c.trail_hash).with_for_update()).one()
    row = {
        "sequence": last.trail_sequence + 1,
        "at": datetime.now(UTC).isoformat(timespec="microseconds"),
        "kind": storable(event.kind),
        "actor": storable(event.actor),
        "study_uid": storable(event.study_instance_uid),
        "fields": json.dumps(fields, sort_keys=True, ensure_ascii=False),
    }
    digest = chained(last.trail_hash, row)
    connection.execute(insert(trail).values(**row, previous_hash=last.trail_hash, hash=digest))
    connection.execute(update(head).values(trail_sequence=row["sequence"], trail_hash=digest))


def storable(text: str) -> str:
    """Text that both databases hold and UTF-8 can write: a file's name may be neither. Others stay as they are."""
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def chained(previous_hash: str, row: dict[str, Any]) -> str:
    """The hash of an entry behind another."""
    canonical = json.dumps(row, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(f"{previous_hash}\n{canonical}".encode()).hexdigest()


def entries(
    store: Store, *, study_uid: str | None = None, kind: str | None = None, limit: int = 200, before: int | None = None
) -> list[TrailEntry]:
    """The newest entries first, filtered; `before` continues below a sequence."""
    query = select(trail).order_by(trail.c.sequence.desc()).limit(limit)
    if study_uid:
        query = query.where(trail.c.study_uid == study_uid)
    if kind:
        query = query.where(trail.c.kind == kind)
    if before is not None:
        query = query.where(trail.c.sequence < before)
    with reading(store) as connection:
        return [entry(row) for row in connection.execute(query)]


def entry(row: Row[Any]) -> TrailEntry:
    """A row as a value."""
    return TrailEntry(
        sequence=row.sequence,
        at=datetime.fromisoformat(row.at),
        kind=row.kind,
        actor=row.actor,
        study_instance_uid=row.study_uid,
        fields=json.loads(row.fields),
        previous_hash=row.previous_hash,
        hash=row.hash,
    )


def verify(store: Store) -> TrailVerdict:
    """Follows the chain from its first entry to the head."""
    with reading(store) as connection:
        end = connection.execute(select(head)).one()
        previous, expected = FIRST_HASH, 1
        for row in rows_in_order(connection):
            content = {name: getattr(row, name) for name in ("sequence", "at", "kind", "actor", "study_uid", "fields")}
            sound = row.sequence == expected and row.previous_hash == previous
            if not sound or chained(previous, content) != row.hash:
                return TrailVerdict(end.trail_sequence, expected)
            previous, expected = row.hash, expected + 1
    whole = end.trail_sequence == expected - 1 and end.trail_hash == previous
    return TrailVerdict(end.trail_sequence, None if whole else expected)


def rows_in_order(connection: Connection) -> Iterator[Row[Any]]:
    """Every entry, a thousand at a time."""
    yield from connection.execution_options(yield_per=1000).execute(select(trail).order_by(trail.c.sequence))
