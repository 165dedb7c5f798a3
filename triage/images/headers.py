"""DICOM headers to values, never touching pixels."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from data_schemas.errors import RefusedFile, UnreadablePixels
from data_schemas.study import InstanceHeader, PlainPixels, StudyHeader
from data_schemas.urgency import Level
from triage.images.elements import number, text, texts
from triage.images.look import TAGS, read_look
from triage.images.opening import Opened, ReadLimits, element_value, open_dataset
from triage.images.planes import planes

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


HEADER_TAGS = (
    tuple(
        int(tag_for_keyword(keyword) or 0)
        for keyword in (
            "SpecificCharacterSet ImageType SOPClassUID SOPInstanceUID StudyDate StudyTime AccessionNumber Modality "
            "ConversionType PresentationIntentType StudyDescription SeriesDescription PatientName PatientID "
            "PatientBirthDate PatientSex PatientAge ContrastBolusAgent ContrastBolusAgentSequence BodyPartExamined "
            "SliceThickness ConvolutionKernel ViewPosition ViewCodeSequence ImagerPixelSpacing StudyInstanceUID "
            "SeriesInstanceUID SeriesNumber AcquisitionNumber InstanceNumber PatientOrientation ImagePositionPatient "
            "ImageOrientationPatient Laterality ImageLaterality "
            "FrameOfReferenceUID SamplesPerPixel PhotometricInterpretation NumberOfFrames Rows Columns PixelSpacing "
            "BitsAllocated BitsStored HighBit PixelRepresentation BurnedInAnnotation PresentationLUTShape "
            "RequestedProcedurePriority RequestAttributesSequence SharedFunctionalGroupsSequence "
            "PerFrameFunctionalGroupsSequence"
        ).split()
    )
    + TAGS
)
"""All that a header is read from; a scanner writes three times as many, and parsing them takes twice as long."""


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
        return study_header(opened.dataset), header.model_copy(update={"plain": plain_pixels(opened, header)})


PLAIN_SYNTAXES = frozenset({ImplicitVRLittleEndian, ExplicitVRLittleEndian})


def plain_pixels(opened: Opened, header: InstanceHeader) -> PlainPixels | None:
    """Where the values lie and how they are read, for a single frame of uncompressed grey without lookup tables."""
    grey = header.photometric_interpretation in ("MONOCHROME1", "MONOCHROME2") and header.samples_per_pixel == 1
    if header.frames != 1 or not grey or header.transfer_syntax_uid not in PLAIN_SYNTAXES:
        return None
    try:
        at, stated = element_value(opened)
    except UnreadablePixels:
        return None  # told of when the pixels are read
    look = read_look(opened.dataset)
    if look.modality_lut is not None or look.voi_luts:
        return None
    return PlainPixels(
        at=at,
        stated_bytes=stated,
        slope=look.slope,
        intercept=look.intercept,
        windows=tuple((one.center, one.width, one.explanation) for one in look.windows),
        voi_function=look.voi_function,
        padding=look.padding,
    )


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
        laterality=laterality(dataset),
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


def laterality(dataset: Dataset) -> str:
    """R, L, B (both) or U (unpaired) by Image Laterality (0020,0062), Frame Laterality (0020,9072) of all frames, or
    Laterality (0020,0060); empty where none is stated.
    """
    shared = dataset.get("SharedFunctionalGroupsSequence") or [Dataset()]
    anatomy = shared[0].get("FrameAnatomySequence") or [Dataset()]
    stated = (
        text(dataset, "ImageLaterality"),
        text(anatomy[0], "FrameLaterality"),
        text(dataset, "Laterality"),
    )
    return next((value.upper() for value in stated if value.upper() in ("R", "L", "B", "U")), "")


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
