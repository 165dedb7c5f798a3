"""Pixels as stored, with everything the header says about how to read them as values."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from data_schemas.errors import UnreadablePixels
from data_schemas.explanation import Affine
from data_schemas.study import InstanceHeader
from triage.images.geometry import IDENTITY


@dataclass(frozen=True)
class Lut:
    """A lookup table of Modality or VOI LUT Sequence (PS3.3 C.11.1, C.11.2)."""

    first: int
    """Input value of the first entry; smaller inputs take the first entry, larger ones the last."""
    bits: int
    entries: NDArray[np.uint16]


@dataclass(frozen=True)
class Window:
    """A window of the file: centre and width in modality values."""

    center: float
    width: float
    explanation: str = ""


@dataclass(frozen=True)
class Look:
    """How stored values become what a person sees."""

    slope: float = 1.0
    intercept: float = 0.0
    modality_lut: Lut | None = None
    voi_luts: tuple[Lut, ...] = ()
    windows: tuple[Window, ...] = ()
    voi_function: str = "LINEAR"
    """LINEAR, LINEAR_EXACT or SIGMOID (PS3.3 C.11.2.1.3)."""
    padding: tuple[int, int] | None = None
    """Lowest and highest stored value that is padding, not image (PS3.3 C.7.5.1.1.2)."""


@dataclass(frozen=True)
class StoredPixels:
    """One frame: (rows, columns) stored integers, or (rows, columns, 3) uint8 colour."""

    values: NDArray[Any]
    header: InstanceHeader
    look: Look = field(default_factory=Look)
    to_image: Affine = IDENTITY
    """From this grid to the full original one; other than the identity where it was read at a reduced resolution."""


def picture(path: Path) -> StoredPixels:
    """A PNG or JPEG as 8-bit grey, for the pipelines. Raises UnreadablePixels when it is no picture."""
    values = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if values is None:
        raise UnreadablePixels(f"{path.name} cannot be read as a picture")
    rows, columns = values.shape
    header = InstanceHeader(
        study_instance_uid=path.stem,
        series_instance_uid=path.stem,
        sop_instance_uid=path.stem,
        sop_class_uid="",
        transfer_syntax_uid="",
        rows=rows,
        columns=columns,
        photometric_interpretation="MONOCHROME2",
        bits_allocated=8,
        bits_stored=8,
        high_bit=7,
        has_pixels=True,
    )
    return StoredPixels(values, header)
