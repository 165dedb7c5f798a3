"""One entry of the trail."""

from datetime import datetime

from data_schemas.base import Value


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
