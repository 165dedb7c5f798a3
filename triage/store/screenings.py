"""Results of screening, each written once."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Connection, Row, insert, select, update

from data_schemas.audit import TrailEvent
from data_schemas.errors import NotFound
from data_schemas.explanation import Explanation
from data_schemas.operating_point import SitePoint
from data_schemas.score import ScreeningStatus, StudyScreening
from data_schemas.study import StudyToScreen
from data_schemas.urgency import Level
from data_schemas.worklist import StudyStatus
from triage.store import trail
from triage.store.basis import basis_sha256
from triage.store.database import Store, bump, reading, tell_stat, writing
from triage.store.disk import write_whole
from triage.store.files import map_path
from triage.store.operating_points import points_in_force
from triage.store.studies import LEVELS, request_of, study_row
from triage.store.tables import explanations as explanation_rows
from triage.store.tables import screenings, studies


@dataclass(frozen=True)
class Begun:
    """A study that a worker has taken up."""

    request: StudyToScreen
    revision: int
    attempts: int
    """How often a worker began with this revision, this time included."""
    points: tuple[SitePoint, ...] = ()
    """The site's own operating points that are in force now."""


def attempts(store: Store, study_uid: str) -> int:
    """How often workers began with the study's newest images, so far. Raises NotFound."""
    with reading(store) as connection:
        return int(study_row(connection, study_uid).attempts)


def begin_screening(store: Store, study_uid: str) -> Begun | None:
    """Shows that a worker has taken the study up; None when its newest images are screened already. Raises NotFound."""
    with writing(store) as connection:
        row = study_row(connection, study_uid, lock=True)
        if row.screened_revision >= row.revision:
            return None
        changes = {"attempts": row.attempts + 1}
        if row.status == StudyStatus.WAITING:
            changes["status"] = StudyStatus.SCREENING
        connection.execute(update(studies).where(studies.c.study_uid == study_uid).values(changes))
        if "status" in changes:
            bump(connection)
        request = request_of(store, connection, row)
        return Begun(request, row.revision, row.attempts + 1, points_in_force(connection))


def record_screening(
    store: Store, screening: StudyScreening, maps: Sequence[Explanation], *, revision: int, actor: str = "system"
) -> None:
    """Result, maps, the study's place and the trail in one transaction; the same result again changes nothing.

    `revision`: the study's revision that was screened; an older result never replaces a newer one. Raises NotFound.
    """
    paths = [save_map(store, explanation) for explanation in maps]
    with writing(store) as connection:
        row = study_row(connection, screening.study_instance_uid, lock=True)
        if row.screened_revision >= revision:
            return
        number = screening_number(connection, screening)
        add_maps(connection, number, screening.study_instance_uid, maps, paths)
        place = place_of(screening, row)
        connection.execute(
            update(studies)
            .where(studies.c.study_uid == screening.study_instance_uid)
            .values(result_of(screening, number, revision, row) | place.columns)
        )
        trail.append(connection, event_of(screening, place, actor))
        bump(connection)
        tell_stat(connection, screening.study_instance_uid)


class Place(NamedTuple):
    """Where a study stands after a screening, and why."""

    level: Level
    reason: str
    stat_version: int | None

    @property
    def columns(self) -> dict[str, object]:
        """As the study's row has it."""
        return {"level_rank": self.level.rank, "reason": self.reason, "stat_version": self.stat_version}


def place_of(screening: StudyScreening, row: Row[Any]) -> Place:
    """Nothing is buried: neither an order that came meanwhile nor, by a result without a score, what a score lifted."""
    urgency = screening.urgency
    stands = urgency.level.rank <= row.ordered_rank
    reason = urgency.reason if stands else f"ordered {LEVELS[row.ordered_rank]}; {urgency.reason}"
    rank = min(urgency.level.rank, row.ordered_rank)
    if screening.status is ScreeningStatus.NOT_SCORED and row.level_rank < rank:
        rank = row.level_rank
        reason += f"; an earlier result lifted it to {LEVELS[rank]}"
    return Place(LEVELS[rank], reason, row.stat_version if rank == 0 else None)


def result_of(screening: StudyScreening, number: int, revision: int, row: Row[Any]) -> dict[str, object]:
    """What else the study's row takes from its newest screening."""
    ranked = screening.status is ScreeningStatus.RANKED
    status = StudyStatus.RANKED if ranked else StudyStatus.NOT_SCORED
    return {
        "status": status if row.unread else StudyStatus.READ,
        "findings": [finding.model_dump(mode="json") for finding in screening.findings],
        "screening_id": number,
        "screened_revision": revision,
        "attempts": 0,
        "turn": row.turn if row.revision > revision else 0,
    }


def screening_number(connection: Connection, screening: StudyScreening) -> int:
    """The number of this very result, which is written unless it was before."""
    key = {
        "study_uid": screening.study_instance_uid,
        "bundle": screening.bundle.name if screening.bundle else "",
        "weights_sha256": screening.bundle.weights_sha256 if screening.bundle else "",
        "images_sha256": screening.images_sha256,
        "software_version": screening.software_version,
        "basis_sha256": basis_sha256(screening),
    }
    query = select(screenings.c.screening_id).filter_by(**key)
    known = connection.execute(query).scalar_one_or_none()
    if known is not None:
        return int(known)
    values = {**key, "result": screening.model_dump(mode="json"), "made_at": datetime.now(UTC)}
    number = connection.execute(insert(screenings).values(values).returning(screenings.c.screening_id)).scalar_one()
    return int(number)


def record_explanations(store: Store, study_uid: str, maps: Sequence[Explanation], *, actor: str = "system") -> None:
    """Adds maps to the study's newest screening; one that is there stays. Raises NotFound without a screening."""
    paths = [save_map(store, explanation) for explanation in maps]
    with writing(store) as connection:
        number = study_row(connection, study_uid, lock=True).screening_id
        if number is None:
            raise NotFound("there is no map yet: the study was not screened")
        added = add_maps(connection, number, study_uid, maps, paths)
        for explanation in added:
            fields: dict[str, str | int | float | bool] = {
                "method": explanation.header.method,
                "finding": explanation.header.finding,
                "sop_instance_uid": explanation.header.sop_instance_uid,
            }
            trail.append(
                connection, TrailEvent(kind="explained", actor=actor, study_instance_uid=study_uid, fields=fields)
            )
        if added:
            bump(connection)


def add_maps(
    connection: Connection, number: int, study_uid: str, maps: Sequence[Explanation], paths: Sequence[str]
) -> list[Explanation]:
    """Rows for maps that have none yet; gives those back."""
    known = {
        (row.sop_uid, row.finding, row.method)
        for row in connection.execute(select(explanation_rows).where(explanation_rows.c.screening_id == number))
    }
    added = []
    for explanation, path in zip(maps, paths, strict=True):
        header = explanation.header
        if (header.sop_instance_uid, header.finding, header.method) in known:
            continue
        connection.execute(
            insert(explanation_rows).values(
                screening_id=number,
                study_uid=study_uid,
                sop_uid=header.sop_instance_uid,
                finding=header.finding,
                method=header.method,
                header=header.model_dump(mode="json"),
                path=path,
                made_at=datetime.now(UTC),
            )
        )
        added.append(explanation)
    return added


def save_map(store: Store, explanation: Explanation) -> str:
    """The map's array as a file by its content, before any row speaks of it; gives its place below the files.

    float32 as it was made: gradients lie below what float16 can hold, and what was shown must be there to the bit.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, values=explanation.values.astype(np.float32))
    content = buffer.getvalue()
    relative = map_path(content)
    write_whole(store.files / relative, content)
    return relative


def event_of(screening: StudyScreening, place: Place, actor: str) -> TrailEvent:
    """The screening, and where it puts the study, as an entry of the trail: numbers and hashes only."""
    bundle = screening.bundle
    fields: dict[str, str | int | float | bool] = {
        "status": screening.status,
        "level": place.level,
        "ordered_priority": screening.urgency.ordered_priority,
        "reason": place.reason,
        "images_sha256": screening.images_sha256,
        "bundle": bundle.name if bundle else "",
        "bundle_version": bundle.version if bundle else "",
        "weights_sha256": bundle.weights_sha256 if bundle else "",
        "software_version": screening.software_version,
    }
    fields |= {f"p {score.finding}": round(score.probability, 6) for score in screening.findings}
    return TrailEvent(kind="screened", actor=actor, study_instance_uid=screening.study_instance_uid, fields=fields)
