"""One study as the store knows it."""

import io
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, func, select

from data_schemas.audit import TrailEvent
from data_schemas.errors import NotFound
from data_schemas.explanation import Explanation, ExplanationHeader
from data_schemas.score import StudyScreening
from data_schemas.study import InstanceHeader, StoredInstance, StudyHeader, StudyToScreen
from data_schemas.urgency import Level, Urgency
from data_schemas.worklist import StudyRecord, StudyStatus
from triage.store import trail
from triage.store.database import Store, reading, writing
from triage.store.tables import explanations as explanation_rows
from triage.store.tables import instances as instance_rows
from triage.store.tables import screenings, studies

LEVELS = list(Level)


def study_record(store: Store, study_uid: str) -> StudyRecord:
    """The study with its instances and its newest screening. Raises NotFound."""
    with reading(store) as connection:
        row = study_row(connection, study_uid)
        instances = stored_instances(store, connection, study_uid)
        return StudyRecord(
            study=StudyHeader.model_validate(row.header),
            ordered_priority=LEVELS[row.ordered_rank],
            urgency=urgency_of(row),
            status=StudyStatus(row.status),
            received_at=as_utc(row.received_at),
            revision=len(instances),
            instances=instances,
            screening=newest_screening(connection, row.screening_id),
            screening_number=row.screening_id,
        )


def newest_screening(connection: Connection, number: int | None) -> StudyScreening | None:
    """The result of that number; None without one."""
    if number is None:
        return None
    query = select(screenings.c.result).where(screenings.c.screening_id == number)
    return StudyScreening.model_validate(connection.execute(query).scalar_one())


def study_to_screen(store: Store, study_uid: str) -> StudyToScreen:
    """What screening needs of the study. Raises NotFound."""
    with reading(store) as connection:
        return request_of(store, connection, study_row(connection, study_uid))


def request_of(store: Store, connection: Connection, row: Row[Any]) -> StudyToScreen:
    """The same from the study's row."""
    return StudyToScreen(
        study=StudyHeader.model_validate(row.header),
        ordered_priority=LEVELS[row.ordered_rank],
        instances=stored_instances(store, connection, row.study_uid),
    )


def stored_instance(store: Store, sop_uid: str) -> StoredInstance:
    """One instance by its UID. Raises NotFound."""
    with reading(store) as connection:
        row = connection.execute(select(instance_rows).where(instance_rows.c.sop_uid == sop_uid)).one_or_none()
    if row is None:
        raise NotFound("there is no such image")
    return as_instance(store, row)


def explanations(store: Store, study_uid: str) -> list[Explanation]:
    """The maps of the study's newest screening, in the order they were made."""
    return [explanation for _, explanation in numbered_explanations(store, study_uid)]


def numbered_explanations(store: Store, study_uid: str) -> list[tuple[int, Explanation]]:
    """The same with their numbers, by which the page asks for one."""
    query = (
        select(explanation_rows)
        .join(studies, studies.c.screening_id == explanation_rows.c.screening_id)
        .where(studies.c.study_uid == study_uid)
        .order_by(explanation_rows.c.explanation_id)
    )
    with reading(store) as connection:
        rows = connection.execute(query).all()
    return [(row.explanation_id, as_explanation(store, row)) for row in rows]


def explanation_by_number(store: Store, number: int) -> tuple[str, Explanation]:
    """Study UID and map of one number. Raises NotFound."""
    with reading(store) as connection:
        query = select(explanation_rows).where(explanation_rows.c.explanation_id == number)
        row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound("there is no such map")
    return row.study_uid, as_explanation(store, row)


def note_view(store: Store, kind: str, study_uid: str, *, actor: str, **fields: str | int | float | bool) -> None:
    """What a person was shown, in the trail."""
    event = TrailEvent(kind=kind, actor=actor, study_instance_uid=study_uid, fields=fields)
    with writing(store) as connection:
        trail.append(connection, event)


def study_row(connection: Connection, study_uid: str, *, lock: bool = False) -> Row[Any]:
    """The study's row; `lock` keeps other writers of it waiting until the transaction ends. Raises NotFound."""
    query = select(studies).where(studies.c.study_uid == study_uid)
    # key_share: who only adds a row that refers to the study need not wait
    row = connection.execute(query.with_for_update(key_share=True) if lock else query).one_or_none()
    if row is None:
        raise NotFound(f"there is no study {study_uid}; `triage worklist` lists those there are")
    return row


def arrivals(connection: Connection, study_uid: str) -> int:
    """How often images of the study arrived: what a reader saw is told by it, for an order to screen it again changes
    no image."""
    query = select(func.count()).select_from(instance_rows).where(instance_rows.c.study_uid == study_uid)
    return int(connection.execute(query).scalar_one())


def stored_instances(store: Store, connection: Connection, study_uid: str) -> tuple[StoredInstance, ...]:
    """The study's instances by series, number and UID, whatever order they came in."""
    rows = connection.execute(select(instance_rows).where(instance_rows.c.study_uid == study_uid)).all()
    found = [as_instance(store, row) for row in rows]

    def place(instance: StoredInstance) -> tuple[int, str, int, str]:
        header = instance.header
        series = header.series_number if header.series_number is not None else 2**31
        number = header.instance_number if header.instance_number is not None else 2**31
        return series, header.series_instance_uid, number, header.sop_instance_uid

    return tuple(sorted(found, key=place))


def as_instance(store: Store, row: Row[Any]) -> StoredInstance:
    """A row as a value."""
    return StoredInstance(
        header=InstanceHeader.model_validate(row.header),
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        path=store.files / row.path,
        received_at=as_utc(row.received_at),
    )


def as_explanation(store: Store, row: Row[Any]) -> Explanation:
    """A row and its file as a value."""
    with np.load(io.BytesIO((store.files / row.path).read_bytes()), allow_pickle=False) as archive:
        return Explanation(ExplanationHeader.model_validate(row.header), archive["values"].astype(np.float32))


def urgency_of(row: Row[Any]) -> Urgency:
    """Level and reason of a study's row."""
    return Urgency(level=LEVELS[row.level_rank], ordered_priority=LEVELS[row.ordered_rank], reason=row.reason)


def as_utc(moment: datetime) -> datetime:
    """SQLite gives times back without their zone; all are UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
