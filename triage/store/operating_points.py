"""A site's own operating points: set and taken back, each with its entry in the trail; read by whoever screens."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from data_schemas.audit import TrailEvent
from data_schemas.bundle import BundleManifest, FindingSpec
from data_schemas.errors import NotFound
from data_schemas.operating_point import MAX_COMMENT, SitePoint
from triage.store import trail
from triage.store.database import Store, bump, reading, writing
from triage.store.studies import as_utc
from triage.store.tables import head, operating_points

SET, RESET = "operating point set", "operating point reset"
"""Kinds of the trail."""


def set_point(
    store: Store,
    manifest: BundleManifest,
    finding: str,
    point: float | None,
    *,
    actor: str,
    comment: str,
    seen: float | None = None,
) -> bool:
    """From now on the finding acts from `point` here; None takes the site's point back for the bundle's own.

    `manifest` is the bundle's own, for whose weights the point is decided. `seen` is the point that was on the screen:
    False, and nothing is changed, where another one is in force by now. One that is in force already stays as it is.
    Row and trail are written together. Raises NotFound for a finding that the bundle lacks, ValueError for a point or
    a comment that cannot be.
    """
    spec = spec_of(manifest, finding)
    comment = checked(point, comment)
    with writing(store) as connection:
        connection.execute(select(head.c.version).with_for_update())  # others who decide wait here
        row = row_of(connection, manifest, finding)
        now = spec.operating_point if row is None else float(row.point)
        if seen is not None and seen != now:
            return False
        if point == (None if row is None else now):
            return True
        connection.execute(delete(operating_points).where(*key(manifest, finding)))
        if point is not None:
            values = {"point": point, "own": spec.operating_point, "actor": actor, "comment": comment}
            place = {"bundle": manifest.name, "weights_sha256": manifest.network.weights_sha256, "finding": finding}
            connection.execute(insert(operating_points).values(**place, **values, set_at=datetime.now(UTC)))
        trail.append(connection, event(manifest, spec, now, point, actor, comment))
        bump(connection)
    return True


def spec_of(manifest: BundleManifest, finding: str) -> FindingSpec:
    """The finding of the bundle. Raises NotFound."""
    for spec in manifest.findings:
        if spec.name == finding:
            return spec
    known = ", ".join(spec.name for spec in manifest.findings)
    raise NotFound(f"finding {finding!r} is not one of {manifest.name}'s: {known}")


def checked(point: float | None, comment: str) -> str:
    """The comment without spaces around it. Raises ValueError."""
    if point is not None and not 0.0 < point < 1.0:  # also false for what is no number
        raise ValueError("an operating point is a probability above 0 and below 1")
    comment = comment.strip()
    if not comment or len(comment) > MAX_COMMENT:
        raise ValueError(f"say why in a comment of 1 to {MAX_COMMENT} characters")
    return comment


def event(
    manifest: BundleManifest, spec: FindingSpec, before: float, point: float | None, actor: str, comment: str
) -> TrailEvent:
    """Who set what from what to what, and why."""
    own = spec.operating_point
    return TrailEvent(
        kind=RESET if point is None else SET,
        actor=actor,
        fields={
            "bundle": manifest.name,
            "bundle_version": manifest.version,
            "weights_sha256": manifest.network.weights_sha256,
            "finding": spec.name,
            "label": spec.label,
            "before": before,
            "after": own if point is None else point,
            "own": own,
            "comment": comment,
        },
    )


def site_points(store: Store) -> tuple[SitePoint, ...]:
    """Every point of the site, also those of weights that are no longer installed."""
    with reading(store) as connection:
        return points_in_force(connection)


def points_in_force(connection: Connection) -> tuple[SitePoint, ...]:
    """The same inside a transaction."""
    columns = operating_points.c
    query = select(operating_points).order_by(columns.bundle, columns.finding, columns.set_at)
    return tuple(as_point(row) for row in connection.execute(query))


def row_of(connection: Connection, manifest: BundleManifest, finding: str) -> Row[Any] | None:
    """The site's point of this finding and these weights, if any."""
    return connection.execute(select(operating_points).where(*key(manifest, finding))).one_or_none()


def key(manifest: BundleManifest, finding: str) -> tuple[Any, ...]:
    """The conditions that name one row."""
    columns = operating_points.c
    weights = manifest.network.weights_sha256
    return columns.bundle == manifest.name, columns.weights_sha256 == weights, columns.finding == finding


def as_point(row: Row[Any]) -> SitePoint:
    """A row as a value."""
    return SitePoint(
        bundle=row.bundle,
        weights_sha256=row.weights_sha256,
        finding=row.finding,
        point=row.point,
        own=row.own,
        actor=row.actor,
        comment=row.comment,
        set_at=as_utc(row.set_at),
    )
