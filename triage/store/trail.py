"""The trail: what was done and shown, by whom and when, each entry chained to the one before by its hash.

hash = SHA-256 of the previous hash, a newline, and the entry as JSON with sorted keys. An entry is appended in the same
transaction as what it records, so that neither is there without the other.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update

from data_schemas.audit import TrailEntry, TrailEvent, TrailQuery
from triage.store.database import Store, reading
from triage.store.tables import head, trail

FIRST_HASH = "0" * 64
TOLD_EVERY = 10_000


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
        "at": moment(datetime.now(UTC)),
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
    """The newest entries first, of one study or one kind; `before` continues below a sequence."""
    wanted = TrailQuery(kind=kind or "", studies=(study_uid,) if study_uid else ())
    return found(store, wanted, limit=limit, before=before)


def found(
    store: Store, wanted: TrailQuery, *, limit: int, before: int | None = None, after: int | None = None
) -> list[TrailEntry]:
    """The newest of the wanted entries first; `before` continues below a sequence, `after` goes back above one."""
    query = select(trail).where(*fits(wanted)).limit(limit)
    if before is not None:
        query = query.where(trail.c.sequence < before)
    upwards = after is not None
    if upwards:
        query = query.where(trail.c.sequence > after)
    with reading(store) as connection:
        rows = connection.execute(query.order_by(trail.c.sequence if upwards else trail.c.sequence.desc())).all()
    return [entry(row) for row in (reversed(rows) if upwards else rows)]


def counted(store: Store, wanted: TrailQuery) -> int:
    """How many entries are wanted."""
    query = select(func.count()).select_from(trail).where(*fits(wanted))
    with reading(store) as connection:
        return int(connection.execute(query).scalar_one())


def actors(store: Store) -> list[str]:
    """Everybody who is in the trail, by name; found by leaps through the index, however long the trail is."""
    names: list[str] = []
    with reading(store) as connection:
        while name := connection.execute(
            select(func.min(trail.c.actor)).where(trail.c.actor > (names[-1] if names else ""))
        ).scalar_one():
            names.append(name)
    return names


def fits(wanted: TrailQuery) -> list[ColumnElement[bool]]:
    """The query as conditions. Times are compared as text: all are written in UTC with the same number of places."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.actor:
        conditions.append(trail.c.actor == wanted.actor)
    if wanted.kind:
        conditions.append(trail.c.kind == wanted.kind)
    if wanted.studies:
        conditions.append(trail.c.study_uid.in_(wanted.studies))
    if wanted.since is not None:
        conditions.append(trail.c.at >= moment(wanted.since))
    if wanted.until is not None:
        conditions.append(trail.c.at < moment(wanted.until))
    return conditions


def moment(at: datetime) -> str:
    """A time as the trail writes it."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


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


def verify(store: Store, told: Callable[[int, int], None] | None = None) -> TrailVerdict:
    """Follows the chain from its first entry to the head; `told` hears now and then how many of how many are done."""
    with reading(store) as connection:
        end = connection.execute(select(head)).one()
        previous, expected = FIRST_HASH, 1
        for row in rows_in_order(connection):
            content = {name: getattr(row, name) for name in ("sequence", "at", "kind", "actor", "study_uid", "fields")}
            sound = row.sequence == expected and row.previous_hash == previous
            if not sound or chained(previous, content) != row.hash:
                return TrailVerdict(end.trail_sequence, expected)
            previous, expected = row.hash, expected + 1
            if told is not None and row.sequence % TOLD_EVERY == 0:
                told(row.sequence, end.trail_sequence)
    whole = end.trail_sequence == expected - 1 and end.trail_hash == previous
    return TrailVerdict(end.trail_sequence, None if whole else expected)


def rows_in_order(connection: Connection) -> Iterator[Row[Any]]:
    """Every entry, a thousand at a time."""
    yield from connection.execution_options(yield_per=1000).execute(select(trail).order_by(trail.c.sequence))
