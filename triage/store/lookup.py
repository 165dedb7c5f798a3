"""Studies by what people call them, for pages that speak of several."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import or_, select

from data_schemas.study import StudyHeader
from triage.store.database import Store, reading
from triage.store.studies import as_utc
from triage.store.tables import screenings, studies


def studies_called(store: Store, text: str, *, limit: int) -> list[str]:
    """Study Instance UIDs of the studies whose UID, accession number or patient ID is exactly the text, in order of
    arrival."""
    header = studies.c.header
    named = or_(
        studies.c.study_uid == text,
        header["accession_number"].as_string() == text,
        header["patient_id"].as_string() == text,
    )
    query = select(studies.c.study_uid).where(named).order_by(studies.c.sequence).limit(limit)
    with reading(store) as connection:
        return list(connection.execute(query).scalars())


def headers_of(store: Store, study_uids: Collection[str]) -> dict[str, StudyHeader]:
    """Who and what, by Study Instance UID; a study that is not here is left out."""
    query = select(studies.c.study_uid, studies.c.header).where(studies.c.study_uid.in_(set(study_uids)))
    with reading(store) as connection:
        return {row.study_uid: StudyHeader.model_validate(row.header) for row in connection.execute(query)}


def newest_result(store: Store, weights_sha256: str) -> datetime | None:
    """When the newest result of a network with these weights was written; None without any."""
    query = (
        select(screenings.c.made_at)
        .where(screenings.c.weights_sha256 == weights_sha256)
        .order_by(screenings.c.screening_id.desc())
        .limit(1)
    )
    with reading(store) as connection:
        found = connection.execute(query).scalar_one_or_none()
    return None if found is None else as_utc(found)
