"""Study, series and instance as their DICOM headers state them (PS3.3 A, C.7), without pixels."""

from datetime import datetime
from pathlib import Path

from data_schemas.base import Value
from data_schemas.urgency import Level
from data_schemas.volume import SlicePlane


class StudyHeader(Value):
    """What the header says of patient and study (PS3.3 C.7.1.1, C.7.2.1). Empty text where an attribute is absent."""

    study_instance_uid: str
    patient_name: str = ""
    """Alphabetic component group as DICOM writes it: FAMILY^GIVEN^MIDDLE^PREFIX^SUFFIX."""
    patient_id: str = ""
    patient_birth_date: str = ""
    """YYYYMMDD as in the header."""
    patient_sex: str = ""
    age_years: float | None = None
    """From Patient's Age, else from birth date and study date."""
    accession_number: str = ""
    study_description: str = ""
    study_date: str = ""
    study_time: str = ""
    requested_priority: Level | None = None
    """Priority ordered in the header, (0040,1003)."""


FROM_NIFTI = "converted from NIfTI"
"""Series description of what intake made of a NIfTI volume."""


class PlainPixels(Value):
    """Where the values of uncompressed grey lie in the file, and how they become what a person sees.

    Noted when the header is read, so that the header need not be parsed again for the pixels.
    """

    at: int
    """Byte offset of the first value."""
    stated_bytes: int
    """Length that the element states; 0xFFFFFFFF: undefined."""
    slope: float
    intercept: float
    windows: tuple[tuple[float, float, str], ...]
    """Centre, width and explanation of each."""
    voi_function: str
    padding: tuple[int, int] | None


class InstanceHeader(Value):
    """What the header says of one instance; enough for every gate that needs no pixels."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    modality: str = ""
    body_part: str = ""
    view_position: str = ""
    """(0018,5101), or the meaning of View Code Sequence (0054,0220) reduced to PA, AP, LL or RL."""
    patient_orientation: tuple[str, str] | None = None
    """Direction of rows and of columns (0020,0020), such as ("L", "F")."""
    laterality: str | None = None
    """R, L, B (both) or U (unpaired), empty where it is not stated; None of objects taken in before it was read."""
    image_type: tuple[str, ...] = ()
    presentation_intent: str = ""
    """(0008,0068): FOR PRESENTATION, FOR PROCESSING or empty."""
    conversion_type: str = ""
    """(0008,0064), stated by secondary captures."""
    series_description: str = ""
    series_number: int | None = None
    instance_number: int | None = None
    rows: int = 0
    columns: int = 0
    frames: int = 1
    samples_per_pixel: int = 1
    photometric_interpretation: str = ""
    presentation_lut_shape: str = ""
    bits_allocated: int = 0
    bits_stored: int = 0
    high_bit: int = 0
    pixel_representation: int = 0
    """0 unsigned, 1 two's complement."""
    pixel_spacing_mm: tuple[float, float] | None = None
    """Distance between rows, then between columns: Pixel Spacing, else Imager Pixel Spacing."""
    planes: tuple[SlicePlane | None, ...] = ()
    """Where each frame lies in the patient; empty where the header says nothing of it."""
    frame_of_reference_uid: str = ""
    acquisition_number: int | None = None
    convolution_kernel: str = ""
    contrast_agent: str = ""
    """(0018,0010), or what the sequence (0018,0012) of an enhanced object calls it."""
    burned_in_annotation: str = ""
    has_pixels: bool = False
    plain: PlainPixels | None = None
    """None where the pixels are of another kind, or were taken in before this was noted."""


class StoredInstance(Value):
    """An instance that is safely on disk."""

    header: InstanceHeader
    sha256: str
    """Of the file as it was received."""
    size_bytes: int
    path: Path
    received_at: datetime


class StudyToScreen(Value):
    """Everything screening needs to know of a study; pixels are read from the instances' paths."""

    study: StudyHeader
    ordered_priority: Level
    instances: tuple[StoredInstance, ...]
