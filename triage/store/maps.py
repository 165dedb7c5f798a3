"""The maps that were made, as a list with what readers said of the results they belong to."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, exists, func, select

from data_schemas.audit import MapQuery, MapRecord
from data_schemas.explanation import ExplanationHeader
from triage.store.database import Store, reading
from triage.store.studies import as_utc
from triage.store.tables import explanations, studies, verdicts


def maps_found(
    store: Store, wanted: MapQuery, *, limit: int, before: int | None = None, after: int | None = None
) -> list[MapRecord]:
    """The newest of the wanted maps first; `before` continues below a number, `after` goes back above one."""
    query = (
        select(explanations, studies.c.screening_id.label("newest"))
        .outerjoin(studies, studies.c.study_uid == explanations.c.study_uid)
        .where(*fits(wanted))
        .limit(limit)
    )
    if before is not None:
        query = query.where(explanations.c.explanation_id < before)
    upwards = after is not None
    if upwards:
        query = query.where(explanations.c.explanation_id > after)
    number = explanations.c.explanation_id
    with reading(store) as connection:
        rows = connection.execute(query.order_by(number if upwards else number.desc())).all()
        said = words_on(connection, [row.screening_id for row in rows])
    return [record(store, row, said.get(row.screening_id, ())) for row in (reversed(rows) if upwards else rows)]


def maps_counted(store: Store, wanted: MapQuery) -> int:
    """How many maps are wanted."""
    with reading(store) as connection:
        return int(connection.execute(select(func.count()).select_from(explanations).where(*fits(wanted))).scalar_one())


def findings_with_maps(store: Store) -> list[str]:
    """Findings of which there is a map, by name."""
    with reading(store) as connection:
        return sorted(connection.execute(select(explanations.c.finding).distinct()).scalars())


def fits(wanted: MapQuery) -> list[ColumnElement[bool]]:
    """The query as conditions."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.finding:
        conditions.append(explanations.c.finding == wanted.finding)
    if wanted.studies:
        conditions.append(explanations.c.study_uid.in_(wanted.studies))
    if wanted.judged_by:
        standing = (
            verdicts.c.screening_id == explanations.c.screening_id,
            verdicts.c.actor == wanted.judged_by,
            verdicts.c.withdrawn_at.is_(None),
        )
        conditions.append(exists().where(*standing))
    if wanted.since is not None:
        conditions.append(explanations.c.made_at >= in_utc(wanted.since))
    if wanted.until is not None:
        conditions.append(explanations.c.made_at < in_utc(wanted.until))
    return conditions


def in_utc(at: datetime) -> datetime:
    """The time in UTC: SQLite keeps no zone and compares what is written."""
    return at.astimezone(UTC)


def words_on(connection: Connection, screenings: Sequence[int]) -> dict[int, tuple[tuple[str, str], ...]]:
    """Who said what of each result, by its number; only what stands."""
    query = (
        select(verdicts.c.screening_id, verdicts.c.actor, verdicts.c.verdict)
        .where(verdicts.c.screening_id.in_(set(screenings)), verdicts.c.withdrawn_at.is_(None))
        .order_by(verdicts.c.verdict_id)
    )
    said: dict[int, tuple[tuple[str, str], ...]] = {}
    for row in connection.execute(query):
        said[row.screening_id] = (*said.get(row.screening_id, ()), (row.actor, row.verdict))
    return said


def record(store: Store, row: Row[Any], said: tuple[tuple[str, str], ...]) -> MapRecord:
    """A row as a value."""
    header = ExplanationHeader.model_validate(row.header)
    return MapRecord(
        number=row.explanation_id,
        study_instance_uid=row.study_uid,
        header=header,
        made_at=as_utc(row.made_at),
        largest=largest(store.files / row.path),
        newest=row.newest == row.screening_id,
        verdicts=said,
    )


def largest(path: Path) -> float | None:
    """The map's largest value; None where its file cannot be read."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            return float(archive["values"].max(initial=0.0))
    except (OSError, ValueError, KeyError):
        return None
