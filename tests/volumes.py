"""CT series made for a test: a head of water and bone in air, with or without a drawn bleed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread, dcmwrite
from pydicom.uid import generate_uid

from data_schemas.study import StudyHeader
from tests.dicom import dx
from triage.images.headers import read_header
from triage.images.opening import ReadLimits
from triage.store import Store
from triage.store.receive import receive

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
AIR, WATER, BRAIN, BONE, BLOOD = -1000, 0, 35, 900, 70


def head(slices: int = 12, side: int = 96, *, bleed: bool = False, seed: int = 0) -> NDArray[np.int16]:
    """(slices, side, side) in Hounsfield units: columns lead to the patient's left, rows to the back, slices up."""
    z, y, x = np.mgrid[-1 : 1 : slices * 1j, -1 : 1 : side * 1j, -1 : 1 : side * 1j]
    radius = np.sqrt((x / 0.7) ** 2 + (y / 0.85) ** 2 + (z / 1.6) ** 2)
    values = np.full(radius.shape, AIR, np.float64)
    values[radius < 1.0] = BONE
    values[radius < 0.9] = BRAIN
    values[(radius < 0.9) & (np.abs(x - 0.08) < 0.05) & (np.abs(y) < 0.3)] = WATER + 8
    if bleed:
        values[(x + 0.3) ** 2 + (y - 0.2) ** 2 + (z * 0.8) ** 2 < 0.03] = BLOOD
    noise = np.random.default_rng(seed).normal(0, 3, radius.shape)
    return np.rint(values + noise).astype(np.int16)


def ct_series(
    folder: Path,
    values: NDArray[np.int16] | None = None,
    *,
    gap_mm: float = 5.0,
    spacing_mm: float = 2.0,
    lean_mm: float = 0.0,
    **attributes: Any,
) -> list[Path]:
    """One file a slice, in order from below; `lean_mm` moves each next slice to the back, as a tilted gantry does."""
    values = head() if values is None else values
    slices, rows, columns = values.shape
    uids = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    paths = []
    for place in range(slices):
        stored = (values[place].astype(np.int32) + 1024).astype(np.uint16)
        position = [-columns / 2 * spacing_mm, -rows / 2 * spacing_mm + lean_mm * place, gap_mm * place - 60]
        plain: dict[str, Any] = {
            **uids,
            "SOPClassUID": CT_IMAGE,
            "Modality": "CT",
            "BodyPartExamined": "HEAD",
            "ViewPosition": None,
            "PresentationIntentType": None,
            "StudyDescription": "CT head",
            "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
            "ImagePositionPatient": position,
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "PixelSpacing": [spacing_mm, spacing_mm],
            "SliceThickness": gap_mm,
            "RescaleSlope": 1,
            "RescaleIntercept": -1024,
            "InstanceNumber": place + 1,
            "WindowCenter": 40,
            "WindowWidth": 80,
        }
        path = folder / f"{place + 1:04d}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        dcmwrite(path, dx(stored, bits=16, **(plain | attributes)), enforce_file_format=True)
        paths.append(path)
    return paths


def changed(path: Path, to: Path, **attributes: Any) -> Path:
    """The file again, with other attributes."""
    dataset = dcmread(path)
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    to.parent.mkdir(parents=True, exist_ok=True)
    dcmwrite(to, dataset, enforce_file_format=True)
    return to


def sent(store: Store, paths: Sequence[Path]) -> StudyHeader:
    """The files received as from anywhere."""
    for path in paths:
        study, instance = read_header(path, limits=ReadLimits())
        receive(store, study, instance, path, generate_uid(), ordered_priority=None, source="test", actor="test")
    return study
