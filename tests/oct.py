"""OCT files made for a test: volumes as a device writes them, and captures of single B-scans."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmwrite
from pydicom.uid import generate_uid

from tests.dicom import dx
from triage.phantoms.retina import as_dicom

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
Grey = NDArray[np.uint8]


def tomography(path: Path, scans: Sequence[Grey], **attributes: Any) -> Path:
    """The scans as one Ophthalmic Tomography Image of a new study."""
    dataset = as_dicom(scans, generate_uid(), 1, "OCT")
    for name, value in attributes.items():
        setattr(dataset, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dcmwrite(path, dataset, enforce_file_format=True)
    return path


def captured(path: Path, scan: Grey, **attributes: Any) -> Path:
    """One B-scan as a secondary capture (PS3.3 A.8)."""
    plain = {
        "SOPClassUID": SECONDARY_CAPTURE,
        "Modality": "OPT",
        "ConversionType": "WSD",
        "BodyPartExamined": "EYE",
        "ViewPosition": None,
        "PresentationIntentType": None,
        "StudyDescription": "OCT macula",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    dcmwrite(path, dx(scan, bits=8, **(plain | attributes)), enforce_file_format=True)
    return path
