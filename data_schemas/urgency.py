"""Levels of urgency and the decision for one study."""

from enum import StrEnum

from data_schemas.base import Value


class Level(StrEnum):
    """Priorities of DICOM (0040,1003), highest first; MEDIUM is read as ROUTINE."""

    STAT = "STAT"
    HIGH = "HIGH"
    ROUTINE = "ROUTINE"
    LOW = "LOW"

    @property
    def rank(self) -> int:
        """0 for STAT up to 3 for LOW: the smaller is read first."""
        return list(Level).index(self)


class Urgency(Value):
    """Where a study stands and why, in words."""

    level: Level
    ordered_priority: Level
    reason: str
    """A fragment such as "AI: pneumothorax 0.83 (acts from 0.41)", "ordered STAT" or "not scored: lateral view"."""
