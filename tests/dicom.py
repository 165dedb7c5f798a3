"""DICOM files made for a test: every attribute a radiograph needs, any of them changed or left out."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from pipelines.encode import with_pixels

SHARED = Path(__file__).parents[2] / "shared" / "data"
DX_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.1"
CR_IMAGE = "1.2.840.10008.5.1.4.1.1.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def values_like_a_film(rows: int = 96, columns: int = 80, bits: int = 12, seed: int = 0) -> NDArray[np.uint16]:
    """Smooth random values (rows, columns) that fill most of the range, so that lossy codecs stay near."""
    import cv2

    coarse = np.random.default_rng(seed).random((8, 8)).astype(np.float32)
    smooth = cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_CUBIC)
    low, high = smooth.min(), smooth.max()
    return np.rint((smooth - low) / (high - low) * (2**bits - 1)).astype(np.uint16)


def dx(
    values: NDArray[Any] | None = None, *, bits: int = 12, syntax: UID = ExplicitVRLittleEndian, **attributes: Any
) -> Dataset:
    """A frontal chest radiograph for presentation; an attribute given as None is left out."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    defaults = {
        "SOPClassUID": DX_FOR_PRESENTATION,
        "SOPInstanceUID": generate_uid(),
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "PatientName": "PHANTOM^TEST",
        "PatientID": "PH-1",
        "PatientBirthDate": "19600101",
        "PatientSex": "O",
        "PatientAge": "060Y",
        "StudyDate": "20260101",
        "StudyTime": "080000",
        "AccessionNumber": "A1",
        "StudyDescription": "Chest PA",
        "Modality": "DX",
        "BodyPartExamined": "CHEST",
        "ViewPosition": "PA",
        "PresentationIntentType": "FOR PRESENTATION",
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "PhotometricInterpretation": "MONOCHROME2",
        "BurnedInAnnotation": "NO",
        "SeriesNumber": 1,
        "InstanceNumber": 1,
    }
    values = values_like_a_film(bits=bits) if values is None else values
    for keyword, value in defaults.items():
        setattr(dataset, keyword, value)
    with_pixels(dataset, values, bits, syntax)
    for keyword, value in attributes.items():
        if value is not None:
            setattr(dataset, keyword, value)
        elif keyword in dataset:
            delattr(dataset, keyword)
    meta = dataset.file_meta
    meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", "")
    meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "")
    return dataset


def as_bytes(dataset: Dataset) -> bytes:
    """The dataset as a Part 10 file, also where a mandatory UID was left out."""
    buffer = io.BytesIO()
    whole = "SOPClassUID" in dataset and "SOPInstanceUID" in dataset
    dcmwrite(buffer, dataset, enforce_file_format=whole)
    content = buffer.getvalue()
    return content if content[128:132] == b"DICM" else b"\0" * 128 + b"DICM" + content


def dx_file(path: Path, values: NDArray[Any] | None = None, **attributes: Any) -> Path:
    """Writes dx(...) to the path and gives it back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dcmwrite(path, dx(values, **attributes), enforce_file_format=True)
    return path
