"""Where a slice lies in the patient, and what a stack of slices is."""

from enum import StrEnum

from data_schemas.base import Value

Point = tuple[float, float, float]
"""Millimetres in the patient: to the left, to the back, to the head (LPS, PS3.3 C.7.6.2.1.1)."""


class SlicePlane(Value):
    """Image Plane (PS3.3 C.7.6.2) of one slice."""

    position_mm: Point
    """Centre of the first pixel."""
    along_row: Point
    """Unit vector in which the column index grows."""
    along_column: Point
    """Unit vector in which the row index grows."""
    spacing_mm: tuple[float, float]
    """Between rows, then between columns."""
    thickness_mm: float | None = None


class StackFault(StrEnum):
    """What can be wrong with a series as a volume; the names of its gates."""

    POSITION = "slice position"
    ORIENTATION = "slice orientation"
    SIZE = "slice size"
    PHASES = "phases"
    DUPLICATES = "duplicated slices"
    MISSING = "missing slices"
    SPACING = "slice spacing"
    TILT = "gantry tilt"
    SHIFT = "slice shift"


class Irregularity(Value):
    """One fault of a series, in a sentence."""

    fault: StackFault
    sentence: str


class LeftOut(Value):
    """An image of the series that is no slice of the volume."""

    sop_instance_uid: str
    frame: int
    why: str
