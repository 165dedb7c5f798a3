"""A NIfTI volume as one DICOM object, so that everything after intake knows one kind of image.

A multi-frame secondary capture (PS3.3 A.8.4) with the planes of its slices, marked as derived from a NIfTI file. Its
UIDs follow from the file's content: the same file is the same study.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian
from pydicom.valuerep import format_number_as_ds

from data_schemas.study import FROM_NIFTI
from data_schemas.volume import SlicePlane
from triage.images.nifti import NiftiVolume, read_nifti
from triage.images.opening import ReadLimits

BYTE_CAPTURE = "1.2.840.10008.5.1.4.1.1.7.2"
WORD_CAPTURE = "1.2.840.10008.5.1.4.1.1.7.3"
"""Multi-frame Grayscale Byte and Word Secondary Capture Image Storage (PS3.4 B.5)."""
UNKNOWN_MODALITY = "OT"


@dataclass(frozen=True)
class Origin:
    """A NIfTI file as people and hashes know it."""

    path: Path
    name: str
    modality: str
    """What made it, which the file itself does not say."""
    sha256: str

    def uid(self, what: str) -> str:
        """A UID from a UUID (PS3.5 B.2) that follows from content and modality, not from the name."""
        digest = hashlib.sha256(f"{what} {self.modality} {self.sha256}".encode()).digest()
        return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def origin_of(nifti: Path, name: str, modality: str) -> Origin:
    """`name` may be a path, or an archive's name before its member's."""
    with nifti.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    short = name.replace("\\", "/").rpartition("/")[2].rpartition(": ")[2]
    return Origin(nifti, short, modality or UNKNOWN_MODALITY, sha256)


def as_dicom(origin: Origin, spool: Path, limits: ReadLimits) -> Path:
    """A new file in `spool`, the caller's to remove. Raises RefusedFile with one sentence."""
    dataset = described(read_nifti(origin.path, limits), origin)
    with NamedTemporaryFile(dir=spool, suffix=".part", delete=False) as target:
        dcmwrite(target, dataset, enforce_file_format=True)
    return Path(target.name)


def described(volume: NiftiVolume, origin: Origin) -> Dataset:
    """The whole object; equal files give equal objects."""
    dataset = Dataset()
    slices, rows, columns = volume.values.shape
    wide = volume.values.dtype.itemsize == 2
    dataset.SOPClassUID = WORD_CAPTURE if wide else BYTE_CAPTURE
    dataset.StudyInstanceUID = origin.uid("study")
    dataset.SeriesInstanceUID = origin.uid("series")
    dataset.SOPInstanceUID = origin.uid("instance")
    dataset.FrameOfReferenceUID = origin.uid("frame of reference")
    dataset.Modality, dataset.ConversionType = origin.modality, "WSD"
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.PatientName = dataset.PatientID = ""
    dataset.StudyDescription = f"NIfTI {origin.name}"[:64]
    dataset.SeriesDescription = FROM_NIFTI
    dataset.DerivationDescription = f"converted from a NIfTI file with SHA-256 {origin.sha256}"
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.BurnedInAnnotation = "NO"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = rows, columns, slices
    dataset.BitsAllocated = dataset.BitsStored = volume.values.dtype.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(volume.values.dtype.kind == "i")
    dataset.RescaleSlope, dataset.RescaleIntercept = decimal(volume.slope), decimal(volume.intercept)
    dataset.RescaleType = "HU" if origin.modality == "CT" else "US"
    if volume.planes:
        shared, frames = groups(volume.planes)
        dataset.SharedFunctionalGroupsSequence = Sequence([shared])
        dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)
    little = volume.values.astype(volume.values.dtype.newbyteorder("<"), copy=False)
    dataset.PixelData = little.tobytes()
    dataset["PixelData"].VR = "OW" if wide else "OB"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def groups(planes: tuple[SlicePlane, ...]) -> tuple[Dataset, list[Dataset]]:
    """Shared and per-frame functional groups (PS3.3 C.7.6.16)."""
    first = planes[0]
    shared = Dataset()
    measures, orientation = Dataset(), Dataset()
    measures.PixelSpacing = [decimal(value) for value in first.spacing_mm]
    measures.SliceThickness = decimal(first.thickness_mm or 0.0)
    orientation.ImageOrientationPatient = [decimal(value) for value in (*first.along_row, *first.along_column)]
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.PlaneOrientationSequence = Sequence([orientation])
    frames = []
    for plane in planes:
        frame, position = Dataset(), Dataset()
        position.ImagePositionPatient = [decimal(value) for value in plane.position_mm]
        frame.PlanePositionSequence = Sequence([position])
        frames.append(frame)
    return shared, frames


def decimal(value: float) -> str:
    """As a Decimal String of at most 16 characters (PS3.5 6.2)."""
    return format_number_as_ds(float(np.float64(value)))
