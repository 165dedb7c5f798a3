"""What the header says about turning stored values into what a person sees, as plain values."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword

from triage.images.elements import number, text, texts
from triage.images.pixels import Look, Lut, Window

TAGS = tuple(
    int(tag_for_keyword(keyword) or 0)
    for keyword in (
        "ModalityLUTSequence",
        "VOILUTSequence",
        "RescaleSlope",
        "RescaleIntercept",
        "WindowCenter",
        "WindowWidth",
        "WindowCenterWidthExplanation",
        "VOILUTFunction",
        "PixelPaddingValue",
        "PixelPaddingRangeLimit",
        "SharedFunctionalGroupsSequence",
        "PerFrameFunctionalGroupsSequence",
        "PlanarConfiguration",
        # by which pydicom tells signed from unsigned where the encoding does not
        "PixelRepresentation",
        "BitsAllocated",
        "SpecificCharacterSet",
    )
)
"""All that is read of a file for its pixels, a palette of colours aside."""


def read_look(dataset: Dataset, frame: int = 0) -> Look:
    """Modality LUT or rescale, VOI LUTs and windows, padding (PS3.3 C.11.1, C.11.2, C.7.5.1.1.2).

    Of an enhanced object rescale and windows are those of the frame's functional groups (PS3.3 C.7.6.16.2.9, .10).
    """
    modality = luts(dataset.get("ModalityLUTSequence") or ())
    rescale = group(dataset, frame, "PixelValueTransformationSequence")
    return Look(
        slope=decimal(rescale, "RescaleSlope", 1.0) or 1.0,
        intercept=decimal(rescale, "RescaleIntercept", 0.0),
        modality_lut=modality[0] if modality else None,
        voi_luts=luts(dataset.get("VOILUTSequence") or ()),
        windows=windows(group(dataset, frame, "FrameVOILUTSequence")),
        voi_function=text(dataset, "VOILUTFunction").upper() or "LINEAR",
        padding=padding(dataset),
    )


def group(dataset: Dataset, frame: int, sequence: str) -> Dataset:
    """The frame's own functional group, else the shared one, else the object itself."""
    frames = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    places = [*frames[frame : frame + 1], *(dataset.get("SharedFunctionalGroupsSequence") or ())]
    found = (place.get(sequence) for place in places)
    return next((items[0] for items in found if items), dataset)


def luts(items: Sequence[Any]) -> tuple[Lut, ...]:
    """Lookup tables; one that does not hold what its descriptor says is left out."""
    found = []
    for item in items:
        descriptor, data = item.get("LUTDescriptor"), item.get("LUTData")
        if descriptor is None or data is None or len(descriptor) != 3:
            continue
        count, first, bits = (int(value) for value in descriptor)
        count = (count & 0xFFFF) or 65536
        entries = entries_of(data, count, bits)
        if entries.size == count and 8 <= bits <= 16:
            found.append(Lut(first, bits, entries))
    return tuple(found)


def entries_of(data: object, count: int, bits: int) -> NDArray[np.uint16]:
    """LUT Data as uint16, whether pydicom gives it as bytes (OW) or as numbers (US, SS)."""
    if isinstance(data, (bytes, bytearray)):
        packed = bits <= 8 and len(data) in (count, count + 1)
        values = np.frombuffer(data, np.uint8 if packed else "<u2", count=min(count, len(data) // (1 if packed else 2)))
        return values.astype(np.uint16)
    return (np.atleast_1d(np.asarray(data, dtype=np.int64)) & 0xFFFF).astype(np.uint16)


def windows(dataset: Dataset) -> tuple[Window, ...]:
    """Window Center, Width and Explanation, pair by pair; a pair that cannot be read is left out."""
    centers, widths = texts(dataset, "WindowCenter"), texts(dataset, "WindowWidth")
    words = texts(dataset, "WindowCenterWidthExplanation")
    found = []
    for index, (center, width) in enumerate(zip(centers, widths, strict=False)):
        try:
            window = Window(float(center), float(width), words[index] if index < len(words) else "")
        except ValueError:
            continue
        if np.isfinite(window.center) and np.isfinite(window.width) and window.width > 0:
            found.append(window)
    return tuple(found)


def padding(dataset: Dataset) -> tuple[int, int] | None:
    """Pixel Padding Value and Range Limit, in order."""
    value = number(dataset, "PixelPaddingValue")
    if value is None:
        return None
    limit = number(dataset, "PixelPaddingRangeLimit")
    return (min(value, limit), max(value, limit)) if limit is not None else (value, value)


def decimal(dataset: Dataset, keyword: str, default: float) -> float:
    """A finite decimal number, else the default."""
    try:
        value = float(text(dataset, keyword))
    except ValueError:
        return default
    return value if np.isfinite(value) else default
