"""Head CT, drawn slice by slice in Hounsfield units.

x leads to the patient's left, y to the back, z to the head, in millimetres from the middle.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import CTImageStorage

from triage.phantoms.marks import marked, uid, with_grey

Field = NDArray[np.float32]
AIR, SCALP, BONE, MARROW, CSF, GREY, WHITE, BLOOD = -1000, 45, 1100, 500, 8, 38, 29, 68
"""Hounsfield units."""
FIELD_OF_VIEW_MM = 230.0
HALF_AXES_MM = (68.0, 88.0, 82.0)
"""Of the inner table of the skull."""
LOWEST_MM, HIGHEST_MM = -48.0, 76.0


@dataclass(frozen=True)
class Head:
    """One head to draw."""

    slices: int = 28
    side: int = 512
    bleed_mm: float = 0.0
    """Radius of a drawn haemorrhage in the right hemisphere; none at 0."""
    seed: int = 0

    @property
    def gap_mm(self) -> float:
        """Between slices."""
        return (HIGHEST_MM - LOWEST_MM) / max(self.slices - 1, 1)

    @property
    def pixel_mm(self) -> float:
        """Of a slice."""
        return FIELD_OF_VIEW_MM / self.side


def draw_head(head: Head) -> NDArray[np.int16]:
    """(slices, side, side) in Hounsfield units, from the base of the skull to its top."""
    random = np.random.default_rng(head.seed)
    folds = texture(random, (head.slices, head.side, head.side), head.pixel_mm, 5.0)
    places = np.linspace(LOWEST_MM, HIGHEST_MM, head.slices)
    drawn = np.stack([slice_at(head, float(z), fold) for z, fold in zip(places, folds, strict=True)])
    noise = np.stack([grain(random, head.side) for _ in range(head.slices)])
    values: NDArray[np.int16] = np.clip(np.rint(drawn + noise), -1024, 3071).astype(np.int16)
    return values


def slice_at(head: Head, z: float, folds: Field) -> Field:
    """One slice without noise."""
    line = (np.arange(head.side, dtype=np.float32) + 0.5) * head.pixel_mm - FIELD_OF_VIEW_MM / 2
    x, y = np.meshgrid(line, line)
    a, b, c = HALF_AXES_MM
    inside = np.sqrt((x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2) * min(a, b)
    edge = min(a, b)
    values = np.full((head.side, head.side), AIR, np.float32)
    layers = ((14.0, SCALP), (7.5, BONE), (5.5, MARROW), (2.5, BONE), (0.0, CSF))
    for outwards, grey in layers:
        values[inside < edge + outwards] = grey
    brain = inside < edge - 2.0 - 2.5 * (folds > 0.9)
    values[brain] = np.where(inside[brain] > edge - 10 + 5 * folds[brain], GREY, WHITE)
    values[brain & (np.abs(x) < 1.0) & (y < 10)] = GREY + 12
    values[brain & ventricles(x, y, z)] = CSF
    values[brain & (np.hypot(np.abs(x) - 15, (y + 4) * 0.7) < 8) & (abs(z - 4) < 14)] = GREY
    if z < -20:
        base(values, x, y, z)
    if head.bleed_mm:
        away = np.sqrt((x + 34) ** 2 + (y - 8) ** 2 + (z - 14) ** 2) + 1.5 * folds
        values[brain & (away < head.bleed_mm + 6)] = WHITE - 8
        values[brain & (away < head.bleed_mm)] = BLOOD
    return as_seen(values, head.pixel_mm)


def ventricles(x: Field, y: Field, z: float) -> NDArray[np.bool_]:
    """Both lateral ventricles and the third one."""
    across, along = np.abs(x), (y - 2) / 30
    bow = 5 + 9 * along**2
    lateral = (np.abs(across - bow) < 5.5 - 3.0 * np.abs(along)) & (np.abs(along) < 1) & (abs(z - 16) < 14)
    third = (across < 2.2) & (np.abs(y - 4) < 13) & (abs(z + 2) < 10)
    return np.asarray(lateral | third)


def base(values: Field, x: Field, y: Field, z: float) -> None:
    """Petrous bones, sinuses and orbits of the lowest slices, drawn in place."""
    petrous = (np.abs(y - 18 - 0.55 * (np.abs(x) - 20)) < 9) & (np.abs(x) > 14) & (np.abs(x) < 62)
    values[petrous & (values > SCALP - 20)] = 700
    cells = petrous & (np.abs(x) > 40) & (np.sin(x * 1.9) * np.sin(y * 1.7) > 0.2)
    values[cells] = -600
    if z < -30:
        face = (y < -38) & (np.abs(x) < 52) & (values > AIR)
        values[face] = 40
        values[face & (np.hypot(np.abs(x) - 31, y + 62) < 14)] = 12
        values[face & (np.abs(np.hypot(np.abs(x) - 31, y + 62) - 19) < 2.5)] = BONE
        nose = face & (np.abs(x) < 14) & (y > -82)
        values[nose & (np.abs(np.abs(x) - 7) < 5.5) & (np.sin(y * 0.35 + np.abs(x)) > -0.4)] = AIR + 150
        values[nose & (np.abs(x) < 1)] = 300


def texture(random: np.random.Generator, shape: tuple[int, int, int], pixel_mm: float, size_mm: float) -> Field:
    """Smooth random values of deviation 1, alike on neighbouring slices."""
    small = 96
    rough = random.standard_normal((shape[0] + 2, small, small)).astype(np.float32)
    coarse = np.asarray((rough[:-2] + rough[1:-1] + rough[2:]) / 3, np.float32)
    deviation = size_mm / (pixel_mm * shape[1] / small) / 2
    planes = [
        cv2.resize(cv2.GaussianBlur(one, (0, 0), deviation), shape[:0:-1], interpolation=cv2.INTER_CUBIC)
        for one in coarse
    ]
    found = np.stack(planes)
    return np.asarray(found / found.std(), np.float32)


def as_seen(values: Field, pixel_mm: float) -> Field:
    """With the sharpness of a scanner's soft kernel."""
    return np.asarray(cv2.GaussianBlur(values, (0, 0), max(0.55 / pixel_mm, 0.3)), np.float32)


def grain(random: np.random.Generator, side: int, deviation: float = 3.0) -> Field:
    """Noise as a soft kernel leaves it: alike in neighbouring pixels."""
    rough = cv2.GaussianBlur(random.standard_normal((side, side)).astype(np.float32), (0, 0), 0.9)
    return np.asarray(deviation * rough / rough.std(), np.float32)


def as_dicom(head: Head, values: NDArray[np.int16], name: str, number: int, words: str) -> Iterator[Dataset]:
    """CT images (PS3.3 A.3) from the base up, without a tilt."""
    for place, hounsfield in enumerate(values):
        dataset = marked(name, number, words)
        dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, uid(name, f"image {place}")
        dataset.Modality, dataset.BodyPartExamined = "CT", "HEAD"
        dataset.ImageType, dataset.InstanceNumber = ["ORIGINAL", "PRIMARY", "AXIAL"], place + 1
        dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = uid(name, "frame of reference"), ""
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        corner = round(head.pixel_mm / 2 - FIELD_OF_VIEW_MM / 2, 4)
        dataset.ImagePositionPatient = [corner, corner, round(LOWEST_MM + place * head.gap_mm, 4)]
        dataset.PixelSpacing = [round(head.pixel_mm, 6)] * 2
        dataset.SliceThickness = round(head.gap_mm, 4)
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 1, -1024, "HU"
        dataset.WindowCenter, dataset.WindowWidth = 40, 80
        dataset.WindowCenterWidthExplanation = "BRAIN"
        dataset.AcquisitionNumber, dataset.KVP, dataset.ConvolutionKernel = 1, None, "DRAWN"
        with_grey(dataset, (hounsfield.astype(np.int32) + 1024).astype(np.uint16), 12)
        yield dataset
