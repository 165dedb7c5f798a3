"""PNG and JPEG pictures as the DICOM files that a bundle takes, so that they go the way of a device's own files.

A chest film becomes a DX or CR image, head slices a CT series, a B-scan an Ophthalmic Tomography Image. Nothing is
taken from the picture or added to it that would help a model: a white border of a B-scan stays where it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    OphthalmicTomographyImageStorage,
    generate_uid,
)
from pydicom.valuerep import format_number_as_ds

from data_schemas.bundle import Accepts
from data_schemas.errors import TriageError, UnreadablePixels
from pipelines.head import WINDOW
from pipelines.manifest import Row
from triage.images.pixels import picture

Grey = NDArray[np.uint8]
STORAGE: Mapping[str, str] = {
    "DX": DigitalXRayImageStorageForPresentation,
    "CR": ComputedRadiographyImageStorage,
    "CT": CTImageStorage,
    "OPT": OphthalmicTomographyImageStorage,
}
"""Modalities that pictures can be given, by preference."""
CT_GAP_MM = 5.0
CT_PIXEL_MM = 0.9
"""Where the manifest states none: a head of 230 mm on 256 pixels."""
AIR_HU = -1000.0
FROM_TISSUE_PX = 4
"""Air begins this far from anything that is not black, so that reduction and enlargement leave the edge as it is."""
BLACK = 2
"""Grey up to here is black; JPEG leaves as much."""


@dataclass(frozen=True)
class Picture:
    """A picture of the manifest and where it lies."""

    row: Row
    path: Path


def modality_for(accepts: Accepts) -> str:
    """What pictures become for this bundle. Raises TriageError where there is no way."""
    found = [modality for modality in STORAGE if modality in accepts.modalities]
    if not found:
        raise TriageError(
            f"pictures cannot become {' or '.join(accepts.modalities)} images; give DICOM or NIfTI files instead"
        )
    return found[0]


def how(modality: str) -> str:
    """In words, for the report."""
    center, width = WINDOW
    return {
        "CT": (
            f"Pictures became CT slices: 0 to 255 are {center - width / 2:g} to {center + width / 2:g} Hounsfield "
            f"units, black around the head is air ({AIR_HU:g}); {CT_GAP_MM:g} mm apart in the order of the manifest, "
            f"also where it leaves slices out; pixels of {CT_PIXEL_MM:g} mm where it states none."
        ),
        "OPT": "Pictures became Ophthalmic Tomography Images as they are, white borders included.",
    }.get(modality, f"Pictures became {modality} images with the view, age and sex that the manifest states.")


def wrap(pictures: Sequence[Picture], accepts: Accepts, folder: Path) -> tuple[list[tuple[Path, Row]], list[str]]:
    """One new DICOM file in `folder` for each picture, all of one new study and series, in their order.

    A picture that cannot be read is left out, with a sentence. Raises TriageError where the bundle takes no such
    images.
    """
    modality = modality_for(accepts)
    study, series = generate_uid(), generate_uid()
    written: list[tuple[Path, Row]] = []
    faults: list[str] = []
    for one in pictures:
        try:
            values = np.asarray(picture(one.path).values, dtype=np.uint8)
        except UnreadablePixels as error:
            faults.append(f"line {one.row.line}: {error.sentence}")
            continue
        dataset = described(one.row, modality, accepts, values.shape[1])
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
        dataset.SeriesNumber, dataset.InstanceNumber = 1, len(written) + 1
        as_slice(dataset, values, len(written)) if modality == "CT" else as_shown(dataset, values)
        target = folder / f"{len(written):05}.dcm"
        dcmwrite(target, dataset, enforce_file_format=True)
        written.append((target, one.row))
    return written, faults


def described(row: Row, modality: str, accepts: Accepts, columns: int) -> Dataset:
    """Patient and equipment, as far as the manifest says."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = STORAGE[modality], generate_uid()
    dataset.PatientName = dataset.PatientID = dataset.PatientBirthDate = ""
    dataset.PatientSex = row.sex
    if np.isfinite(row.age_years):
        dataset.PatientAge = age_string(row.age_years)
    dataset.Modality = modality
    dataset.BodyPartExamined = accepts.body_parts[0] if accepts.body_parts else ""
    dataset.ImageType, dataset.BurnedInAnnotation = (
        ["ORIGINAL", "PRIMARY", "AXIAL"][: 3 if modality == "CT" else 2],
        "NO",
    )
    if modality in ("DX", "CR"):
        dataset.ViewPosition = row.view
    if modality == "DX":
        dataset.PresentationIntentType = "FOR PRESENTATION"
    spacing = spacing_mm(row, columns)
    if modality == "CT" or np.isfinite(spacing):
        spacing = spacing if np.isfinite(spacing) else CT_PIXEL_MM
        dataset.PixelSpacing = [format_number_as_ds(spacing)] * 2
    return dataset


def spacing_mm(row: Row, columns: int) -> float:
    """Of the picture, which may be a reduced one; NaN where it is not known."""
    whole = row.whole_width_px if np.isfinite(row.whole_width_px) else columns
    return row.spacing_mm * whole / columns if row.spacing_mm > 0 else float("nan")


def age_string(years: float) -> str:
    """As an Age String (PS3.5 6.2)."""
    return f"{min(int(years), 999):03}Y" if years >= 2 else f"{max(int(years * 12), 0):03}M"


def as_shown(dataset: Dataset, values: Grey) -> None:
    """Image Pixel (PS3.3 C.7.6.3) of grey that is shown as it is, in place."""
    with_pixels(dataset, values, signed=False)
    if dataset.Modality == "OPT":
        dataset.NumberOfFrames, dataset.PresentationLUTShape = 1, "IDENTITY"


def as_slice(dataset: Dataset, values: Grey, place: int) -> None:
    """An axial CT image (PS3.3 A.3), in place: stored values are the picture's grey, those of air far below."""
    center, width = WINDOW
    slope, intercept = width / 255, center - width / 2
    stored = values.astype(np.int16)
    stored[air(values)] = round((AIR_HU - intercept) / slope)
    with_pixels(dataset, stored, signed=True)
    dataset.RescaleSlope, dataset.RescaleIntercept = format_number_as_ds(slope), format_number_as_ds(intercept)
    dataset.RescaleType, dataset.WindowCenter, dataset.WindowWidth = "HU", center, width
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    rows, columns = values.shape
    across, down = (float(dataset.PixelSpacing[0]) * (1 - side) / 2 for side in (columns, rows))
    dataset.ImagePositionPatient = [format_number_as_ds(across), format_number_as_ds(down), CT_GAP_MM * place]
    dataset.SliceThickness = CT_GAP_MM


def air(values: Grey) -> NDArray[np.bool_]:
    """Black that reaches the edge of the picture, well away from anything else.

    A window's picture tells no air from what else lies below it. Any window within the picture's shows both black, so
    the network sees no difference; the gate that asks for Hounsfield units does.
    """
    dark = (values <= BLACK).astype(np.uint8)
    away = cv2.distanceTransform(cv2.copyMakeBorder(dark, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1), cv2.DIST_C, 3)
    far = (away[1:-1, 1:-1] > FROM_TISSUE_PX).astype(np.uint8)
    _, areas = cv2.connectedComponents(far, connectivity=4)
    at_edge = np.unique(np.concatenate([areas[0], areas[-1], areas[:, 0], areas[:, -1]]))
    return np.isin(areas, at_edge[at_edge > 0])


def with_pixels(dataset: Dataset, values: NDArray[Any], *, signed: bool) -> None:
    """One grey plane of all its bits, in place."""
    bits = values.dtype.itemsize * 8
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = values.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = int(signed)
    content = values.tobytes()
    dataset.PixelData = content + b"\0" * (len(content) % 2)
    dataset["PixelData"].VR = "OW" if bits == 16 else "OB"
