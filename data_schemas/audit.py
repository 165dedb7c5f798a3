"""One entry of the trail, and which entries a person asks for."""

from datetime import datetime

from data_schemas.base import Value
from data_schemas.explanation import ExplanationHeader


class TrailEvent(Value):
    """What happened, before it has a place in the chain."""

    kind: str
    """A few fixed words: received, refused, conflict, screened, explained, opened, map shown, verdict, signed in …"""
    actor: str
    """Who: "system", "command line" or the reader's name."""
    study_instance_uid: str = ""
    fields: dict[str, str | int | float | bool] = {}
    """Plain values; never patient name, ID or birth date."""


class TrailEntry(TrailEvent):
    """An event in its place: hash = SHA-256 over the previous hash and the canonical JSON of this entry."""

    sequence: int
    at: datetime
    previous_hash: str
    hash: str


class TrailQuery(Value):
    """Which entries; what is empty or None takes all."""

    actor: str = ""
    kind: str = ""
    studies: tuple[str, ...] = ()
    """Study Instance UIDs."""
    since: datetime | None = None
    until: datetime | None = None
    """The first moment that is no longer asked for."""


class MapQuery(Value):
    """Which maps; what is empty or None takes all."""

    finding: str = ""
    studies: tuple[str, ...] = ()
    """Study Instance UIDs."""
    judged_by: str = ""
    """Whose verdict stands on the result that the map belongs to."""
    since: datetime | None = None
    until: datetime | None = None
    """The first moment that is no longer asked for."""


class MapRecord(Value):
    """A map that was made, without its values."""

    number: int
    study_instance_uid: str
    header: ExplanationHeader
    made_at: datetime
    largest: float | None
    """Its largest value, in the method's own unit; None where the map's file cannot be read."""
    newest: bool
    """Whether it belongs to the study's newest result."""
    verdicts: tuple[tuple[str, str], ...]
    """Who said what of that result."""
