"""A received instance becomes durable: file first, then one transaction for rows and trail, then the answer."""

import json
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select, update

from data_schemas.audit import TrailEvent
from data_schemas.errors import RefusedFile
from data_schemas.study import InstanceHeader, StudyHeader
from data_schemas.urgency import Level
from data_schemas.worklist import IntakeOutcome, StudyStatus
from triage.store import trail
from triage.store.database import Store, bump, reading, tell_stat, writing
from triage.store.disk import settle
from triage.store.files import instance_path
from triage.store.search import search_text
from triage.store.tables import instances, studies

MAX_UID = 64
SLICED = frozenset({"CT", "MR", "NM", "OPT", "PT"})
"""Modalities whose series come slice by slice."""
MAX_MODALITY = 16
"""Of a Code String (PS3.5 6.2); what is longer fits no index."""


def receive(
    store: Store,
    study: StudyHeader,
    instance: InstanceHeader,
    spooled: Path,
    sha256: str,
    *,
    ordered_priority: Level | None,
    source: str,
    actor: str,
    quiet_s: float = 0.0,
) -> IntakeOutcome:
    """Takes one spooled file in; the file is moved or left for the caller to remove. When this returns NEW, a power cut
    no longer loses it, and the study waits to be screened (its revision is ahead of the screened one).

    The same SOP Instance UID with the same bytes is a DUPLICATE; with other bytes a CONFLICT, whose hashes are in the
    trail and whose file is not kept. The priority in the header comes before `ordered_priority`, and that before
    ROUTINE; of a study that is known the more urgent one stays. Raises RefusedFile for a header that cannot be stored,
    and FileNotFoundError when the file is taken away before its row is there; nothing is written then. After a slice
    its study is not screened for `quiet_s` seconds, for more are on their way, unless `complete` says otherwise.
    """
    require_storable(study, instance)
    kept = stored_file(store, instance.sop_instance_uid)
    if kept is None:
        place = instance_path(instance.sop_instance_uid, sha256)
        size = spooled.stat().st_size
        settle(spooled, store.files / place)
        with writing(store) as connection:
            lock_name(connection, instance.sop_instance_uid)
            kept = find_file(connection, instance.sop_instance_uid)
            if kept is None:
                (store.files / place).stat()
                now = datetime.now(UTC)
                ordered = study.requested_priority or ordered_priority
                quiet_until = now.timestamp() + quiet_s if instance.modality in SLICED else 0.0
                add_to_study(connection, study, instance, ordered, source, now, quiet_until)
                add_instance(connection, instance, StoredFile(sha256, place), size, now)
                note(connection, "received", instance, actor, source=source, sha256=sha256, bytes=size)
                bump(connection)
                tell_stat(connection, study.study_instance_uid)
                return IntakeOutcome.NEW
        if kept.sha256 != sha256:
            (store.files / place).unlink(missing_ok=True)
    if kept.sha256 == sha256:
        if not (store.files / kept.path).exists():
            restore(store, instance, spooled, kept, source=source, actor=actor)
        return IntakeOutcome.DUPLICATE
    with writing(store) as connection:
        note(connection, "conflict", instance, actor, source=source, kept_sha256=kept.sha256, refused_sha256=sha256)
    return IntakeOutcome.CONFLICT


def complete(store: Store, study_uids: Collection[str]) -> None:
    """The sender says that all images of these studies are here: they are screened at once."""
    early = (studies.c.study_uid.in_(set(study_uids)), studies.c.screen_from > 0)
    with writing(store) as connection:
        if connection.execute(update(studies).where(*early).values(screen_from=0.0)).rowcount:
            bump(connection)


def require_storable(study: StudyHeader, instance: InstanceHeader) -> None:
    """Raises RefusedFile for a UID longer than PS3.5 9.1 allows, and for values that not every database holds."""
    uids = (instance.study_instance_uid, instance.series_instance_uid, instance.sop_instance_uid)
    if max(map(len, uids)) > MAX_UID:
        raise RefusedFile(f"a UID is longer than the {MAX_UID} characters that DICOM allows; ask the sender to mend it")
    try:
        values = [value.model_dump(mode="json") for value in (study, instance)]
        json.dumps(values, ensure_ascii=False, allow_nan=False).encode()
        sound = not any("\0" in text for text in (*uids, instance.modality))
    except ValueError:
        sound = False
    if not sound:
        raise RefusedFile("the header holds characters or numbers that cannot be stored; ask the sender to mend it")


class StoredFile(NamedTuple):
    """What the row of an instance says of its file; `path` is relative to the folder of files."""

    sha256: str
    path: str


def stored_file(store: Store, sop_uid: str) -> StoredFile | None:
    """The stored file of that UID, if any."""
    with reading(store) as connection:
        return find_file(connection, sop_uid)


def find_file(connection: Connection, sop_uid: str) -> StoredFile | None:
    """The same inside a transaction."""
    query = select(instances.c.sha256, instances.c.path).where(instances.c.sop_uid == sop_uid)
    row = connection.execute(query).one_or_none()
    return None if row is None else StoredFile(row.sha256, row.path)


def restore(
    store: Store, instance: InstanceHeader, spooled: Path, kept: StoredFile, *, source: str, actor: str
) -> None:
    """Puts a file back that was lost from the disk and has been sent again, byte for byte the same."""
    settle(spooled, store.files / kept.path)
    with writing(store) as connection:
        note(connection, "restored", instance, actor, source=source, sha256=kept.sha256)


def lock_name(connection: Connection, name: str) -> None:
    """Holds off other senders of the same name until the transaction ends; on SQLite every writer waits anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))


def add_to_study(
    connection: Connection,
    study: StudyHeader,
    instance: InstanceHeader,
    ordered: Level | None,
    source: str,
    now: datetime,
    quiet_until: float,
) -> None:
    """The study's row, new or with one more revision to screen; `ordered` is None where nobody stated a priority."""
    uid = study.study_instance_uid
    lock_name(connection, f"study {uid}")
    row = connection.execute(select(studies).where(studies.c.study_uid == uid).with_for_update()).one_or_none()
    if row is None:
        values = new_study(study, instance, ordered or Level.ROUTINE, source, now)
        connection.execute(insert(studies).values({**values, "screen_from": quiet_until}))
        return
    changes: dict[str, Any] = {
        "revision": row.revision + 1, "attempts": 0, "unread": True, "screen_from": quiet_until, "turn": 0,
    }  # fmt: skip
    if not row.unread:
        changes["stat_version"] = None
    if row.status != StudyStatus.RANKED:
        changes["status"] = StudyStatus.WAITING
    if ordered is not None and ordered.rank < row.ordered_rank:
        changes["ordered_rank"] = ordered.rank
        if ordered.rank < row.level_rank:
            changes |= {"level_rank": ordered.rank, "reason": f"ordered {ordered}"}
    connection.execute(update(studies).where(studies.c.study_uid == uid).values(changes))


def new_study(
    study: StudyHeader, instance: InstanceHeader, ordered: Level, source: str, now: datetime
) -> dict[str, Any]:
    """The row of a study that was not known."""
    return {
        "study_uid": study.study_instance_uid,
        "header": study.model_dump(mode="json"),
        "modality": instance.modality[:MAX_MODALITY],
        "search": search_text(study),
        "source": source,
        "ordered_rank": ordered.rank,
        "level_rank": ordered.rank,
        "reason": f"ordered {ordered}",
        "status": StudyStatus.WAITING,
        "findings": [],
        "unread": True,
        "revision": 1,
        "screened_revision": 0,
        "attempts": 0,
        "received_at": now,
    }


def add_instance(
    connection: Connection, header: InstanceHeader, file: StoredFile, size_bytes: int, now: datetime
) -> None:
    """The instance's row."""
    connection.execute(
        insert(instances).values(
            sop_uid=header.sop_instance_uid,
            study_uid=header.study_instance_uid,
            header=header.model_dump(mode="json"),
            sha256=file.sha256,
            size_bytes=size_bytes,
            path=file.path,
            received_at=now,
        )
    )


def note(connection: Connection, kind: str, header: InstanceHeader, actor: str, **fields: str | int) -> None:
    """What happened to the instance, in the trail."""
    event = TrailEvent(
        kind=kind,
        actor=actor,
        study_instance_uid=header.study_instance_uid,
        fields={"sop_instance_uid": header.sop_instance_uid, **fields},
    )
    trail.append(connection, event)


def note_refusal(store: Store, file: str, sentence: str, *, source: str, actor: str) -> None:
    """A file that was not taken in, in the trail: the reason and its kind; its name may hold a patient's."""
    suffix = Path(file).suffix.lower()[:8]
    with writing(store) as connection:
        fields: dict[str, str | int | float | bool] = {"why": sentence, "file_type": suffix, "source": source}
        trail.append(connection, TrailEvent(kind="refused", actor=actor, fields=fields))
