"""A received instance becomes durable: file first, then one transaction for rows and trail, then the answer."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select, update

from data_schemas.audit import TrailEvent
from data_schemas.study import InstanceHeader, StudyHeader
from data_schemas.urgency import Level
from data_schemas.worklist import IntakeOutcome, StudyStatus
from triage.store import trail
from triage.store.database import Store, reading, writing
from triage.store.files import instance_path, settle
from triage.store.tables import instances, studies


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
) -> IntakeOutcome:
    """Takes one spooled file in; the file is moved or left for the caller to remove. When this returns NEW, a power cut
    no longer loses it, and the study waits to be screened (its revision is ahead of the screened one).

    The same SOP Instance UID with the same bytes is a DUPLICATE; with other bytes a CONFLICT, whose hashes are in the
    trail and whose file is not kept. The priority in the header comes before `ordered_priority`, and that before
    ROUTINE; of a study that is known the more urgent one stays.
    """
    known = stored_sha256(store, instance.sop_instance_uid)
    if known is None:
        # Named by the content too: two senders of one UID must not overwrite each other's file.
        part = store.files / f"{instance_path(instance.sop_instance_uid)}.{sha256[:16]}"
        size = spooled.stat().st_size
        settle(spooled, part)
        with writing(store) as connection:
            lock_name(connection, instance.sop_instance_uid)
            known = find_sha256(connection, instance.sop_instance_uid)
            if known is None:
                now = datetime.now(UTC)
                ordered = study.requested_priority or ordered_priority or Level.ROUTINE
                add_to_study(connection, study, instance, ordered, source, now)
                add_instance(connection, instance, sha256, size, os.fspath(part.relative_to(store.files)), now)
                note(connection, "received", instance, actor, source=source, sha256=sha256, bytes=size)
                return IntakeOutcome.NEW
        if known != sha256:
            part.unlink(missing_ok=True)
    if known == sha256:
        return IntakeOutcome.DUPLICATE
    with writing(store) as connection:
        note(connection, "conflict", instance, actor, source=source, kept_sha256=known, refused_sha256=sha256)
    return IntakeOutcome.CONFLICT


def stored_sha256(store: Store, sop_uid: str) -> str | None:
    """Hash of the stored file of that UID, if any."""
    with reading(store) as connection:
        return find_sha256(connection, sop_uid)


def find_sha256(connection: Connection, sop_uid: str) -> str | None:
    """The same inside a transaction."""
    return connection.execute(select(instances.c.sha256).where(instances.c.sop_uid == sop_uid)).scalar_one_or_none()


def lock_name(connection: Connection, name: str) -> None:
    """Holds off other senders of the same name until the transaction ends; on SQLite every writer waits anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext(%s))", (name,))


def add_to_study(
    connection: Connection, study: StudyHeader, instance: InstanceHeader, ordered: Level, source: str, now: datetime
) -> None:
    """The study's row, new or with one more revision to screen."""
    uid = study.study_instance_uid
    lock_name(connection, f"study {uid}")
    row = connection.execute(select(studies).where(studies.c.study_uid == uid)).one_or_none()
    if row is None:
        connection.execute(insert(studies).values(new_study(study, instance, ordered, source, now)))
        return
    changes: dict[str, Any] = {"revision": row.revision + 1, "attempts": 0, "unread": True}
    if row.status != StudyStatus.RANKED:
        changes["status"] = StudyStatus.WAITING
    if ordered.rank < row.ordered_rank:
        changes |= {"ordered_rank": ordered.rank, "level_rank": min(ordered.rank, row.level_rank)}
    connection.execute(update(studies).where(studies.c.study_uid == uid).values(changes))


def new_study(
    study: StudyHeader, instance: InstanceHeader, ordered: Level, source: str, now: datetime
) -> dict[str, Any]:
    """The row of a study that was not known."""
    return {
        "study_uid": study.study_instance_uid,
        "header": study.model_dump(mode="json"),
        "modality": instance.modality,
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
    connection: Connection, header: InstanceHeader, sha256: str, size: int, path: str, now: datetime
) -> None:
    """The instance's row."""
    connection.execute(
        insert(instances).values(
            sop_uid=header.sop_instance_uid,
            study_uid=header.study_instance_uid,
            header=header.model_dump(mode="json"),
            sha256=sha256,
            size_bytes=size,
            path=path,
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
