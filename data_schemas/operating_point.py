"""A site's own operating point of a finding: in whose place it stands, and which model it was decided for."""

from datetime import datetime

from pydantic import Field

from data_schemas.base import Value

MAX_COMMENT = 500


class SetBySite(Value):
    """Beside an operating point: that a site set it, when, and the bundle's own."""

    own: float
    """The bundle's own operating point."""
    set_at: datetime


class SitePoint(Value):
    """The operating point that a site put in the place of a bundle's own, for these very weights and no others."""

    bundle: str
    weights_sha256: str
    finding: str
    point: float = Field(gt=0.0, lt=1.0)
    """The calibrated probability from which the finding acts here."""
    own: float
    """The bundle's own."""
    actor: str
    comment: str
    """Why."""
    set_at: datetime
