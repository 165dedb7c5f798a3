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


class Orientation(StrEnum):
    """How slices lie in the patient, within 45 degrees."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"


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


class VolumeFacts(Value):
    """What a series is as a volume."""

    slices: int
    rows: int
    columns: int
    orientation: Orientation
    pixel_spacing_mm: tuple[float, float]
    """Between rows, then between columns."""
    gaps_mm: tuple[float, float]
    """Smallest and largest distance between neighbouring slices; both 0 for a single one."""
    thickness_mm: float
    """Stated, else the usual distance between slices."""
    tilt_deg: float
    affine: tuple[tuple[float, float, float, float], ...]
    """4 x 4: column, row and slice index to millimetres in LPS."""
    left_out: tuple[LeftOut, ...] = ()
