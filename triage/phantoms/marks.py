"""What every drawn file says of itself: PHANTOM in each attribute that a person reads, UIDs from its name alone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid


def uid(name: str, kind: str) -> str:
    """The same each time, so that a second demo adds nothing."""
    return generate_uid(entropy_srcs=["triage phantom", name, kind])


def marked(name: str, number: int, words: str) -> Dataset:
    """Patient, study, series and file of a phantom (PS3.3 C.7.1, C.7.2, C.7.3), without its image."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid(name, "study"), uid(name, "series")
    dataset.SOPInstanceUID = uid(name, "image")
    dataset.PatientName, dataset.PatientID = f"PHANTOM^{name}", f"PHANTOM-{number}"
    dataset.PatientBirthDate, dataset.PatientSex, dataset.PatientAge = "", "O", "050Y"
    dataset.StudyDate, dataset.StudyTime = "20260101", f"08{number:02}00"
    dataset.AccessionNumber, dataset.ReferringPhysicianName = f"PHANTOM-{number}", ""
    dataset.StudyDescription = f"PHANTOM {words}"[:64]
    dataset.SeriesDescription, dataset.InstitutionName = "PHANTOM, drawn by Triage", "PHANTOM"
    dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber = "PHANTOM", 1, 1
    dataset.BurnedInAnnotation = "NO"
    return dataset


def with_grey(dataset: Dataset, values: NDArray[Any], bits: int) -> None:
    """Image Pixel (PS3.3 C.7.6.3) from unsigned values (rows, columns) or (frames, rows, columns), in place."""
    allocated = values.dtype.itemsize * 8
    dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "MONOCHROME2", 1
    dataset.Rows, dataset.Columns = values.shape[-2:]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = allocated, bits, bits - 1
    dataset.PixelRepresentation = 0
    dataset.PixelData = np.ascontiguousarray(values).tobytes()
    dataset["PixelData"].VR = "OW" if allocated == 16 else "OB"
