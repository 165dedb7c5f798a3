"""Image Plane of each frame, from a plain header or from an enhanced object's functional groups."""

from collections.abc import Iterable, Sequence
from math import isfinite, sqrt
from typing import Any

from pydicom import Dataset

from data_schemas.volume import Point, SlicePlane


def planes(dataset: Dataset) -> tuple[SlicePlane | None, ...]:
    """One entry a frame (PS3.3 C.7.6.2, C.7.6.16.2); empty where the object says nothing of planes."""
    frames = dataset.get("PerFrameFunctionalGroupsSequence")
    if frames:
        shared = dataset.get("SharedFunctionalGroupsSequence") or [Dataset()]
        found = tuple(plane(*(group_values(name, frame, shared[0], dataset) for name in PLACES)) for frame in frames)
    else:
        found = (plane(*(values(dataset, keyword) for _, keyword in PLACES.values())),)
    return found if any(one is not None for one in found) else ()


PLACES = {
    "position": ("PlanePositionSequence", "ImagePositionPatient"),
    "orientation": ("PlaneOrientationSequence", "ImageOrientationPatient"),
    "spacing": ("PixelMeasuresSequence", "PixelSpacing"),
    "thickness": ("PixelMeasuresSequence", "SliceThickness"),
}


def group_values(name: str, frame: Dataset, shared: Dataset, dataset: Dataset) -> tuple[float, ...]:
    """The values of one frame: its own functional group, else the shared one, else the object's own."""
    sequence, keyword = PLACES[name]
    for group in (frame, shared):
        items = group.get(sequence)
        if items and (found := values(items[0], keyword)):
            return found
    return values(dataset, keyword)


def plane(
    position: Sequence[float], orientation: Sequence[float], spacing: Sequence[float], thickness: Sequence[float]
) -> SlicePlane | None:
    """The plane, None unless position, two directions at right angles and spacings above zero are there."""
    if len(position) != 3 or len(orientation) != 6 or len(spacing) != 2 or min(spacing) <= 0:
        return None
    row, column = unit(orientation[:3]), unit(orientation[3:])
    if row is None or column is None or abs(sum(a * b for a, b in zip(row, column, strict=True))) > 0.01:
        return None
    return SlicePlane(
        position_mm=(position[0], position[1], position[2]),
        along_row=row,
        along_column=column,
        spacing_mm=(spacing[0], spacing[1]),
        thickness_mm=thickness[0] if thickness and thickness[0] > 0 else None,
    )


def unit(vector: Sequence[float]) -> Point | None:
    """The vector with length 1; None where its length is not 1 within a hundredth, as DICOM demands."""
    length = sqrt(sum(part * part for part in vector))
    if abs(length - 1) > 0.01:
        return None
    return vector[0] / length, vector[1] / length, vector[2] / length


def values(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """Every value as a finite number; empty where one is not."""
    found: Any = dataset.get(keyword)
    if found is None:
        return ()
    try:
        numbers = tuple(float(value) for value in (found if isinstance(found, Iterable) else (found,)))
    except (TypeError, ValueError):
        return ()
    return numbers if all(isfinite(value) and abs(value) < 1e6 for value in numbers) else ()
