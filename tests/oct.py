"""Files as an OCT device writes them, from drawn or given B-scans: ophthalmic tomography and secondary captures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from tests.dicom import dx

OPHTHALMIC_TOMOGRAPHY = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
Grey = NDArray[np.uint8]


def b_scan(rows: int = 200, columns: int = 320, *, fluid: bool = False, seed: int = 0) -> Grey:
    """A retina in layers under a dark vitreous; `fluid` draws a dark cyst in it."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    top = 0.42 + 0.06 * np.exp(-((x / 0.15) ** 2)) - (0.1 * np.exp(-(x**2) / 0.1) if fluid else 0.0)
    depth = y - top
    values = np.full((rows, columns), 14.0)
    for start, end, grey in ((0.0, 0.05, 150), (0.05, 0.11, 95), (0.11, 0.17, 70), (0.17, 0.2, 190), (0.2, 0.45, 80)):
        values[(depth >= start) & (depth < end)] = grey
    if fluid:
        values[(x / 0.25) ** 2 + ((depth - 0.1) / 0.05) ** 2 < 1] = 18
    return np.clip(values * random.gamma(6, 1 / 6, values.shape), 0, 255).astype(np.uint8)


def code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def group(keyword: str, **attributes: Any) -> Dataset:
    """A functional group with one item."""
    item, holder = Dataset(), Dataset()
    for name, value in attributes.items():
        setattr(item, name, value)
    setattr(holder, keyword, [item])
    return holder


def tomography(path: Path, scans: Sequence[Grey], *, step_mm: float = 0.12, **attributes: Any) -> Path:
    """A multi-frame Ophthalmic Tomography Image (PS3.3 A.52): B-scans in columns to the left, rows to the back, the
    slices stacked to the head.
    """
    rows, columns = scans[0].shape
    dataset = Dataset()
    dataset.update(dx(np.zeros((2, 2), np.uint16)))
    for unwanted in ("ViewPosition", "PresentationIntentType", "ImagerPixelSpacing", "PatientOrientation"):
        if unwanted in dataset:
            delattr(dataset, unwanted)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    plain: dict[str, Any] = {
        "SOPClassUID": OPHTHALMIC_TOMOGRAPHY,
        "SOPInstanceUID": generate_uid(),
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "Modality": "OPT",
        "BodyPartExamined": "EYE",
        "StudyDescription": "OCT macula",
        "StudyID": None,
        "ReferringPhysicianName": None,
        "SeriesNumber": 1,
        "InstanceNumber": 1,
        "AcquisitionNumber": 1,
        "AcquisitionDateTime": "20260102030405",
        "ContentDate": "20260102",
        "ContentTime": "030405",
        "ImageType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
        "Manufacturer": "Drawn",
        "ManufacturerModelName": "B-scans",
        "DeviceSerialNumber": "1",
        "SoftwareVersions": "1",
        "FrameOfReferenceUID": generate_uid(),
        "PositionReferenceIndicator": None,
        "SynchronizationFrameOfReferenceUID": generate_uid(),
        "SynchronizationTrigger": "NO TRIGGER",
        "AcquisitionTimeSynchronized": "N",
        "InConcatenationNumber": 1,
        "InConcatenationTotalNumber": 1,
        "ConcatenationFrameOffsetNumber": 0,
        "BurnedInAnnotation": "NO",
        "LossyImageCompression": "00",
        "PresentationLUTShape": "IDENTITY",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": rows,
        "Columns": columns,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
        "NumberOfFrames": len(scans),
        "EmmetropicMagnification": None,
        "IntraOcularPressure": None,
        "HorizontalFieldOfView": None,
        "PupilDilated": None,
        "RefractiveStateSequence": [],
        "AxialLengthOfTheEye": None,
        "DetectorType": "CCD",
        "AcquisitionDeviceTypeCodeSequence": [code("392012008", "SCT", "Optical Coherence Tomography Scanner")],
        "LightPathFilterTypeStackCodeSequence": [],
        "AnatomicRegionSequence": [code("5665001", "SCT", "Retina")],
        "ImageLaterality": "R",
        "AcquisitionContextSequence": [],
    }
    for name, value in (plain | attributes).items():
        setattr(dataset, name, value)
    organization, index = Dataset(), Dataset()
    organization.DimensionOrganizationUID = index.DimensionOrganizationUID = generate_uid()
    index.DimensionIndexPointer, index.FunctionalGroupPointer = 0x00200032, 0x00209113
    dataset.DimensionOrganizationSequence, dataset.DimensionIndexSequence = [organization], [index]
    shared = Dataset()
    shared.update(
        group(
            "PixelMeasuresSequence", PixelSpacing=[0.0039, 0.0117], SliceThickness=step_mm, SpacingBetweenSlices=step_mm
        )
    )
    shared.update(group("PlaneOrientationSequence", ImageOrientationPatient=[1, 0, 0, 0, 1, 0]))
    shared.update(
        group("FrameAnatomySequence", FrameLaterality="R", AnatomicRegionSequence=[code("5665001", "SCT", "Retina")])
    )
    dataset.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for place in range(len(scans)):
        frame = group("PlanePositionSequence", ImagePositionPatient=[0.0, 0.0, step_mm * place])
        frame.update(
            group(
                "FrameContentSequence",
                FrameAcquisitionDateTime="20260102030405",
                FrameReferenceDateTime="20260102030405",
                FrameAcquisitionDuration=1.0,
                DimensionIndexValues=[place + 1],
                StackID="1",
                InStackPositionNumber=place + 1,
            )
        )
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = frames
    dataset.PixelData = np.stack(scans).tobytes()
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
