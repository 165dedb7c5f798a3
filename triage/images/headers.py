"""DICOM headers to values, never touching pixels."""

import io
import logging
import re
import struct
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from pydicom import Dataset, config, dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import FileMetaDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_dataset as read_plain
from pydicom.filereader import read_file_meta_info
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from data_schemas.errors import RefusedFile
from data_schemas.study import InstanceHeader, StudyHeader
from data_schemas.urgency import Level
from triage.images.planes import planes

# A wrong value is ours to judge; pydicom's warnings and log lines quote values, which may be a patient's.
config.settings.reading_validation_mode = config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module="pydicom")

NOT_IMAGES = {
    "1.2.840.10008.1.3.10": "a DICOMDIR (an index of a disc); give the folder it describes instead",
    "1.2.840.10008.5.1.4.1.1.88.": "a structured report, not an image",
    "1.2.840.10008.5.1.4.1.1.11.": "a presentation state, not an image",
    "1.2.840.10008.5.1.4.1.1.104.": "an encapsulated document, not an image",
    "1.2.840.10008.5.1.4.1.1.481.": "a radiotherapy object, not an image",
    "1.2.840.10008.5.1.4.1.1.9.": "a waveform, not an image",
    "1.2.840.10008.5.1.4.1.1.66": "a segmentation or registration, not an image to screen",
}
"""SOP classes, or their beginnings, that hold no image to screen (PS3.4 B.5)."""
UID_FORM = re.compile(r"[0-9A-Za-z._-]{1,128}")
"""PS3.5 9.1 allows digits and dots, 64 at the most; some senders write letters, which do no harm."""
PRIORITIES = {
    "STAT": Level.STAT,
    "HIGH": Level.HIGH,
    "MEDIUM": Level.ROUTINE,
    "ROUTINE": Level.ROUTINE,
    "LOW": Level.LOW,
}


HEADER_TAGS = tuple(
    int(tag_for_keyword(keyword) or 0)
    for keyword in (
        "SpecificCharacterSet ImageType SOPClassUID SOPInstanceUID StudyDate StudyTime AccessionNumber Modality "
        "ConversionType PresentationIntentType StudyDescription SeriesDescription PatientName PatientID "
        "PatientBirthDate PatientSex PatientAge ContrastBolusAgent ContrastBolusAgentSequence BodyPartExamined "
        "SliceThickness ConvolutionKernel ViewPosition ViewCodeSequence ImagerPixelSpacing StudyInstanceUID "
        "SeriesInstanceUID SeriesNumber AcquisitionNumber InstanceNumber PatientOrientation ImagePositionPatient "
        "ImageOrientationPatient "
        "FrameOfReferenceUID SamplesPerPixel PhotometricInterpretation NumberOfFrames Rows Columns PixelSpacing "
        "BitsAllocated BitsStored HighBit PixelRepresentation BurnedInAnnotation PresentationLUTShape "
        "RequestedProcedurePriority RequestAttributesSequence SharedFunctionalGroupsSequence "
        "PerFrameFunctionalGroupsSequence"
    ).split()
)
"""All that a header is read from; a scanner writes three times as many, and parsing them takes twice as long."""


@dataclass(frozen=True)
class ReadLimits:
    """What the reader accepts."""

    max_file_bytes: int = 2047 * 1024 * 1024
    max_rows: int = 16_384
    max_columns: int = 16_384
    max_pixels: int = 120_000_000
    max_inflated_bytes: int = 1024 * 1024 * 1024
    """Largest dataset of a deflated transfer syntax, unpacked."""


def read_header(path: Path, *, limits: ReadLimits | None = None) -> tuple[StudyHeader, InstanceHeader]:
    """What a DICOM file says of its study and of itself. Raises RefusedFile; the sentence goes behind the name."""
    limits = limits or ReadLimits()
    if path.stat().st_size > limits.max_file_bytes:
        raise RefusedFile(f"larger than the limit of {limits.max_file_bytes // 2**20} MiB")
    opened = open_dataset(path, limits, HEADER_TAGS)
    with opened.source:
        refuse_what_is_no_image(opened.dataset)
        header = instance_header(opened.dataset)
        if opened.pixels_at is None:
            raise RefusedFile("holds no pixels; ask the sender for the whole image")
        refuse_what_is_too_large(header, limits)
        return study_header(opened.dataset), header


@dataclass(frozen=True)
class Opened:
    """A dataset without its pixels, and where those begin."""

    dataset: Dataset
    source: BinaryIO
    """The file, or its unpacked content; open, and the caller's to close."""
    pixels_at: int | None
    """Byte offset of the Pixel Data element (7FE0,0010) in `source`, None where there is none."""


def open_dataset(path: Path, limits: ReadLimits, only: Sequence[int] | None = None) -> Opened:
    """Reads all before the pixels, or `only` those tags of it; every fault of their encoding is one RefusedFile."""
    try:
        opened = opened_deflated(path, limits) or opened_plain(path, only)
        # Elements are parsed when first asked for: ask now, so that a fault is met here.
        for _ in chain(opened.dataset.file_meta.iterall(), opened.dataset.iterall()):
            pass
    except InvalidDicomError as error:
        raise RefusedFile("not a DICOM file") from error
    except RecursionError as error:
        raise RefusedFile("its sequences are nested too deeply to read") from error
    except MemoryError as error:
        raise RefusedFile("an element claims more data than memory holds") from error
    except FAULTS as error:
        raise RefusedFile(
            "its DICOM header is damaged; ask the sender for it again", kind=type(error).__name__
        ) from error
    return opened


FAULTS = (
    NotImplementedError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    IndexError,
    OSError,
    EOFError,
    LookupError,
    BytesLengthException,
    struct.error,
)
"""What pydicom raises on hostile bytes."""


NAMING = (0x00080016, 0x00080060, 0x0020000D)
"""SOP Class UID, Modality and Study Instance UID: a file without a preamble is DICOM where it has one of them."""


def opened_plain(path: Path, only: Sequence[int] | None) -> Opened:
    """A file of any syntax but deflated, with or without preamble and meta header."""
    source = path.open("rb")
    preamble = source.read(132)[128:] == b"DICM"
    source.seek(0)
    tags = [*NAMING, *only] if only is not None else None
    dataset = dcmread(source, stop_before_pixels=True, force=True, specific_tags=tags)
    if not preamble and not {"SOPClassUID", "StudyInstanceUID", "Modality"} & set(dataset.dir()):
        raise InvalidDicomError
    if not hasattr(dataset, "file_meta"):
        dataset.file_meta = FileMetaDataset()
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        dataset.file_meta.TransferSyntaxUID = (
            ExplicitVRBigEndian if not little else ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        )
    return Opened(dataset, source, pixel_offset(source, dataset))


NEAR_THE_START = 2048


def opened_deflated(path: Path, limits: ReadLimits) -> Opened | None:
    """A deflated file's dataset, unpacked within the limit (PS3.5 A.5); None for any other syntax."""
    with path.open("rb") as file:
        head = file.read(NEAR_THE_START)
        # Transfer Syntax UID follows two UIDs in the meta header; most files are told from their first bytes.
        if head[128:132] != b"DICM" or DeflatedExplicitVRLittleEndian.encode() not in head:
            return None
        meta = read_file_meta_info(path)
        if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            return None
        if "FileMetaInformationGroupLength" not in meta:
            raise RefusedFile("its DICOM header is damaged (no group length); ask the sender for it again")
        file.seek(132 + 12 + meta.FileMetaInformationGroupLength)
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            data = unpacker.decompress(file.read(), limits.max_inflated_bytes)
        except zlib.error as error:
            raise RefusedFile("its deflated dataset is damaged; ask the sender for it again") from error
    if unpacker.unconsumed_tail:
        raise RefusedFile(f"unpacks to more than the limit of {limits.max_inflated_bytes // 2**20} MiB")
    source = io.BytesIO(data)
    dataset = read_plain(source, False, True, stop_when=at_pixels)
    dataset.file_meta = meta
    return Opened(dataset, source, pixel_offset(source, dataset))


def at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
    """Whether the reader has reached Float, Double Float or integer Pixel Data (7FE0,0008 to 0010)."""
    return int(tag) >= 0x7FE00008


def pixel_offset(source: BinaryIO, dataset: Dataset) -> int | None:
    """Where pydicom stopped, if the element there is Pixel Data."""
    at = source.tell()
    tag = source.read(4)
    big = str(dataset.file_meta.TransferSyntaxUID) == ExplicitVRBigEndian
    return at if tag == (b"\x7f\xe0\x00\x10" if big else b"\xe0\x7f\x10\x00") else None


def refuse_what_is_no_image(dataset: Dataset) -> None:
    """Raises RefusedFile for objects without an image, by SOP class and then by what they hold."""
    kind = text(dataset, "SOPClassUID") or text(dataset.file_meta, "MediaStorageSOPClassUID")
    for beginning, words in NOT_IMAGES.items():
        if kind.startswith(beginning):
            raise RefusedFile(words)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        uid = text(dataset, keyword)
        if not uid:
            raise RefusedFile(f"{keyword} is missing, so the image belongs to no study; ask the sender for it again")
        if not UID_FORM.fullmatch(uid):
            raise RefusedFile(f"{keyword} is not a UID; ask the sender for the image again")
    if "Rows" not in dataset and "Columns" not in dataset and "BitsAllocated" not in dataset:
        raise RefusedFile("holds no image")


def refuse_what_is_too_large(header: InstanceHeader, limits: ReadLimits) -> None:
    """Raises RefusedFile when Rows and Columns are missing or beyond the limits, before any memory is taken."""
    if header.rows < 1 or header.columns < 1:
        raise RefusedFile("Rows or Columns is missing, so its pixels cannot be laid out; ask the sender for it again")
    size = f"{header.rows} x {header.columns}"
    if header.rows > limits.max_rows or header.columns > limits.max_columns:
        raise RefusedFile(f"{size} pixels is beyond the limit of {limits.max_rows} x {limits.max_columns}")
    if header.rows * header.columns > limits.max_pixels:
        raise RefusedFile(f"{size} pixels is beyond the limit of {limits.max_pixels:,} pixels")


def study_header(dataset: Dataset) -> StudyHeader:
    """Patient and study (PS3.3 C.7.1.1, C.7.2.1)."""
    return StudyHeader(
        study_instance_uid=text(dataset, "StudyInstanceUID"),
        patient_name=text(dataset, "PatientName"),
        patient_id=text(dataset, "PatientID"),
        patient_birth_date=text(dataset, "PatientBirthDate"),
        patient_sex=text(dataset, "PatientSex"),
        age_years=age_years(dataset),
        accession_number=text(dataset, "AccessionNumber"),
        study_description=text(dataset, "StudyDescription"),
        study_date=text(dataset, "StudyDate"),
        study_time=text(dataset, "StudyTime"),
        requested_priority=requested_priority(dataset),
    )


def instance_header(dataset: Dataset) -> InstanceHeader:
    """One instance (PS3.3 C.7.3.1, C.7.6.1, C.7.6.3)."""
    bits_allocated = number(dataset, "BitsAllocated") or 0
    bits_stored = number(dataset, "BitsStored") or bits_allocated
    high_bit = number(dataset, "HighBit")
    return InstanceHeader(
        study_instance_uid=text(dataset, "StudyInstanceUID"),
        series_instance_uid=text(dataset, "SeriesInstanceUID"),
        sop_instance_uid=text(dataset, "SOPInstanceUID"),
        sop_class_uid=text(dataset, "SOPClassUID"),
        transfer_syntax_uid=text(dataset.file_meta, "TransferSyntaxUID"),
        modality=text(dataset, "Modality").upper(),
        body_part=text(dataset, "BodyPartExamined").upper(),
        view_position=view_position(dataset),
        patient_orientation=patient_orientation(dataset),
        image_type=texts(dataset, "ImageType"),
        presentation_intent=text(dataset, "PresentationIntentType").upper(),
        conversion_type=text(dataset, "ConversionType").upper(),
        series_description=text(dataset, "SeriesDescription"),
        series_number=number(dataset, "SeriesNumber"),
        instance_number=number(dataset, "InstanceNumber"),
        rows=number(dataset, "Rows") or 0,
        columns=number(dataset, "Columns") or 0,
        frames=max(number(dataset, "NumberOfFrames") or 1, 1),
        samples_per_pixel=number(dataset, "SamplesPerPixel") or 1,
        photometric_interpretation=text(dataset, "PhotometricInterpretation").upper(),
        presentation_lut_shape=text(dataset, "PresentationLUTShape").upper(),
        bits_allocated=bits_allocated,
        bits_stored=bits_stored,
        high_bit=bits_stored - 1 if high_bit is None else high_bit,
        pixel_representation=1 if number(dataset, "PixelRepresentation") == 1 else 0,
        pixel_spacing_mm=spacing_mm(dataset),
        planes=planes(dataset),
        frame_of_reference_uid=text(dataset, "FrameOfReferenceUID"),
        acquisition_number=number(dataset, "AcquisitionNumber"),
        convolution_kernel=text(dataset, "ConvolutionKernel"),
        contrast_agent=contrast_agent(dataset),
        burned_in_annotation=text(dataset, "BurnedInAnnotation").upper(),
        has_pixels=True,
    )


CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def text(dataset: Dataset, keyword: str) -> str:
    """The attribute as text without padding; the first of several values; empty where absent."""
    return next(iter(texts(dataset, keyword)), "")


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """Every value of the attribute as text."""
    value = dataset.get(keyword)
    if value is None:
        return ()
    values = value if isinstance(value, (MultiValue, list, tuple)) else (value,)
    return tuple(CONTROLS.sub(" ", str(item).replace("\x00", "")).strip() for item in values)


def number(dataset: Dataset, keyword: str) -> int | None:
    """The attribute as a whole number; None where absent or unreadable."""
    found = re.fullmatch(r"[+-]?\d+", text(dataset, keyword))
    return int(found[0]) if found and abs(int(found[0])) < 2**31 else None


def spacing_mm(dataset: Dataset) -> tuple[float, float] | None:
    """Between rows, then columns: Pixel Spacing, else Imager Pixel Spacing; None unless both are above zero."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        try:
            values = [float(value) for value in texts(dataset, keyword)]
        except ValueError:
            continue
        if len(values) == 2 and all(0 < value < 1e4 for value in values):
            return values[0], values[1]
    return None


def patient_orientation(dataset: Dataset) -> tuple[str, str] | None:
    """(0020,0020) when it has two parts."""
    values = texts(dataset, "PatientOrientation")
    return (values[0].upper(), values[1].upper()) if len(values) == 2 and all(values) else None


def contrast_agent(dataset: Dataset) -> str:
    """Contrast/Bolus Agent (0018,0010), else what the sequence of an enhanced object calls it (0018,0012)."""
    items = dataset.get("ContrastBolusAgentSequence") or ()
    return text(dataset, "ContrastBolusAgent") or next((text(item, "CodeMeaning") for item in items), "")


VIEW_MEANINGS = (
    (re.compile(r"postero[- ]?anterior|\bPA\b", re.I), "PA"),
    (re.compile(r"antero[- ]?posterior|\bAP\b", re.I), "AP"),
    (re.compile(r"left lateral", re.I), "LL"),
    (re.compile(r"right lateral", re.I), "RL"),
    (re.compile(r"lateral", re.I), "LATERAL"),
)


def view_position(dataset: Dataset) -> str:
    """View Position (0018,5101), else the meaning of View Code Sequence (0054,0220) reduced to the same words."""
    stated = text(dataset, "ViewPosition").upper()
    if stated:
        return stated
    for item in dataset.get("ViewCodeSequence") or ():
        meaning = text(item, "CodeMeaning")
        return next((view for pattern, view in VIEW_MEANINGS if pattern.search(meaning)), meaning.upper())
    return ""


AGE_UNITS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}


def age_years(dataset: Dataset) -> float | None:
    """Patient's Age (0010,1010), else birth date to study date; None where neither can be read."""
    found = re.fullmatch(r"(\d{1,3})([DWMY])", text(dataset, "PatientAge").upper())
    if found:
        return int(found[1]) * AGE_UNITS[found[2]]
    try:
        born = datetime.strptime(text(dataset, "PatientBirthDate"), "%Y%m%d")
        seen = datetime.strptime(text(dataset, "StudyDate"), "%Y%m%d")
    except ValueError:
        return None
    years = (seen - born).days / 365.25
    return years if 0 <= years < 150 else None


def requested_priority(dataset: Dataset) -> Level | None:
    """(0040,1003) Requested Procedure Priority of the study or of a request in it; the most urgent where several."""
    places: list[Any] = [dataset, *(dataset.get("RequestAttributesSequence") or ())]
    found = [PRIORITIES.get(text(place, "RequestedProcedurePriority").upper()) for place in places]
    return min((level for level in found if level is not None), key=lambda level: level.rank, default=None)
