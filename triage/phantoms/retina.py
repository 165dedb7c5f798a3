"""B-scans of a retina, drawn layer by layer, with the speckle of optical coherence tomography."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.uid import OphthalmicTomographyImageStorage

from triage.phantoms.marks import marked, uid, with_grey

Field = NDArray[np.float32]
LAYERS = (
    (0.000, 0.030, 0.55), (0.030, 0.065, 0.44), (0.065, 0.090, 0.32), (0.090, 0.110, 0.40), (0.110, 0.155, 0.20),
    (0.155, 0.163, 0.52), (0.163, 0.178, 0.28), (0.178, 0.186, 0.70), (0.186, 0.192, 0.45), (0.192, 0.212, 0.92),
)  # fmt: skip
"""From, to (parts of the height below the surface) and brightness: nerve fibres first, down to the pigment."""
DEEPEST = 0.212
VITREOUS = 0.07
INNER = 0.11
"""Layers above it give way at the fovea."""


@dataclass(frozen=True)
class Retina:
    """One macula to draw."""

    scans: int = 7
    rows: int = 256
    columns: int = 512
    cyst: float = 0.0
    """Size of drawn fluid under the fovea; none at 0."""
    seed: int = 0


def draw_scans(retina: Retina) -> list[NDArray[np.uint8]]:
    """One image (rows, columns) for each scan, through the fovea in the middle of the stack."""
    random = np.random.default_rng(retina.seed)
    middle = (retina.scans - 1) / 2
    return [scan_at(retina, (place - middle) / max(middle, 1), random) for place in range(retina.scans)]


def fluid(retina: Retina, place: int) -> NDArray[np.bool_]:
    """Where fluid is drawn on that scan, (rows, columns)."""
    middle = (retina.scans - 1) / 2
    shape = Shape(retina, (place - middle) / max(middle, 1))
    return holes(shape.size, shape.x, shape.depth)


class Shape:
    """Where the layers of one scan lie; `away` leads from -1 to 1 across the macula, 0 at the fovea."""

    def __init__(self, retina: Retina, away: float) -> None:
        y, x = np.mgrid[0 : 1 : retina.rows * 1j, -1 : 1 : retina.columns * 1j].astype(np.float32)
        near = np.exp(-((x / 0.18) ** 2) - (away / 0.6) ** 2)
        self.swelling = retina.cyst * np.exp(-((x / 0.35) ** 2) - (away / 0.6) ** 2)
        surface = 0.42 - 0.16 * x**2 + 0.03 * x + 0.055 * near - 0.6 * self.swelling
        self.x, self.near, self.depth = x, near, y - surface - 0.4 * self.swelling
        self.size = float(retina.cyst * np.exp(-((away / 0.6) ** 2)))


def scan_at(retina: Retina, away: float, random: np.random.Generator) -> NDArray[np.uint8]:
    """One scan at that place of the macula."""
    shape = Shape(retina, away)
    depth, near = shape.depth, shape.near
    thinner = INNER * 0.5 * near
    brightness = np.full_like(depth, VITREOUS)
    for start, end, grey in LAYERS:
        low, high = (edge * (1 - 0.5 * near) if edge < INNER else edge - thinner for edge in (start, end))
        brightness[(depth >= low - 0.4 * shape.swelling * (start == 0)) & (depth < high)] = grey
    below = depth - DEEPEST + thinner
    choroid = 0.50 + 0.06 * blobs(random, depth.shape)  # coarser vessels are taken for drusen
    brightness = np.where(below > 0, np.clip(choroid, 0.1, 1) * np.exp(-below / 0.13) + 0.03, brightness)
    if retina.cyst:
        brightness = np.where(holes(shape.size, shape.x, depth), VITREOUS, brightness)
    inside = depth > 0.02
    return speckled(np.where(inside, brightness * shadows(random, retina.columns), brightness), random)


def holes(size: float, x: Field, depth: Field) -> NDArray[np.bool_]:
    """Fluid in the inner layers: several holes beside each other."""
    found = np.zeros(depth.shape, dtype=bool)
    for across, part in ((0.0, 1.0), (-0.17, 0.6), (0.15, 0.7), (0.28, 0.4)):
        found |= ((x - across) / (0.9 * part * size)) ** 2 + ((depth - 0.085) / (0.42 * part * size)) ** 2 < 1
    return found


def blobs(random: np.random.Generator, shape: tuple[int, ...]) -> Field:
    """The vessels of the choroid: smooth random values of deviation 1."""
    rough = cv2.GaussianBlur(random.standard_normal(shape).astype(np.float32), (0, 0), 4.0)
    return np.asarray(rough / rough.std(), np.float32)


def shadows(random: np.random.Generator, columns: int) -> Field:
    """What vessels of the retina leave behind them: a factor for each column."""
    factor = np.ones(columns, np.float32)
    for place in random.integers(0, columns, 14):
        width = int(random.integers(2, 7))
        factor[place : place + width] *= random.uniform(0.55, 0.85)
    fine = 1 + 0.04 * random.standard_normal(columns).astype(np.float32)
    return np.asarray(cv2.GaussianBlur((factor * fine)[None], (0, 0), 1.0)[0], np.float32)


def speckled(brightness: Field, random: np.random.Generator) -> NDArray[np.uint8]:
    """As a device shows the mean of many scans: a little speckle and noise on smooth layers."""
    speckle = random.gamma(16.0, 1 / 16.0, brightness.shape).astype(np.float32)
    smooth = cv2.GaussianBlur(brightness.astype(np.float32), (0, 0), 1.2)
    shown = smooth * cv2.GaussianBlur(speckle, (0, 0), 0.8) + 0.012 * random.standard_normal(brightness.shape)
    return np.asarray(np.rint(np.clip(shown, 0, 1) * 225), np.uint8)


STEP_MM = 0.12
PIXEL_MM = (0.0039, 0.0117)


def as_dicom(scans: Sequence[NDArray[np.uint8]], name: str, number: int, words: str) -> Dataset:
    """A multi-frame Ophthalmic Tomography Image (PS3.3 A.52): columns to the left, rows to the back, scans upwards."""
    dataset = marked(name, number, words)
    dataset.SOPClassUID = OphthalmicTomographyImageStorage
    dataset.Modality, dataset.BodyPartExamined = "OPT", "EYE"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    dataset.AcquisitionNumber, dataset.AcquisitionDateTime = 1, AT
    dataset.ContentDate, dataset.ContentTime = AT[:8], AT[8:]
    dataset.Manufacturer, dataset.ManufacturerModelName = "PHANTOM", "drawn by Triage"
    dataset.DeviceSerialNumber, dataset.SoftwareVersions = "1", "1"
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = uid(name, "frame of reference"), ""
    dataset.SynchronizationFrameOfReferenceUID = uid(name, "synchronization")
    dataset.SynchronizationTrigger, dataset.AcquisitionTimeSynchronized = "NO TRIGGER", "N"
    dataset.InConcatenationNumber, dataset.InConcatenationTotalNumber = 1, 1
    dataset.ConcatenationFrameOffsetNumber, dataset.NumberOfFrames = 0, len(scans)
    dataset.LossyImageCompression, dataset.PresentationLUTShape = "00", "IDENTITY"
    with_acquisition(dataset)
    with_frames(dataset, len(scans), name)
    with_grey(dataset, np.stack(scans), 8)
    return dataset


AT = "20260101080000"


def with_acquisition(dataset: Dataset) -> None:
    """Acquisition parameters and the region of the eye (PS3.3 C.8.17.8 to C.8.17.10), in place."""
    for unknown in (
        "EmmetropicMagnification",
        "IntraOcularPressure",
        "HorizontalFieldOfView",
        "PupilDilated",
        "AxialLengthOfTheEye",
    ):
        setattr(dataset, unknown, None)
    dataset.RefractiveStateSequence, dataset.LightPathFilterTypeStackCodeSequence = [], []
    dataset.DetectorType, dataset.ImageLaterality = "CCD", "R"
    dataset.AcquisitionDeviceTypeCodeSequence = [code("392012008", "Optical Coherence Tomography Scanner")]
    dataset.AnatomicRegionSequence = [code("5665001", "Retina")]
    dataset.AcquisitionContextSequence = []


def with_frames(dataset: Dataset, count: int, name: str) -> None:
    """Functional groups and dimensions (PS3.3 C.7.6.16, C.7.6.17), in place."""
    organization, index, shared = Dataset(), Dataset(), Dataset()
    organization.DimensionOrganizationUID = index.DimensionOrganizationUID = uid(name, "dimension")
    index.DimensionIndexPointer = tag_for_keyword("ImagePositionPatient")
    index.FunctionalGroupPointer = tag_for_keyword("PlanePositionSequence")
    dataset.DimensionOrganizationSequence, dataset.DimensionIndexSequence = [organization], [index]
    measures = {"PixelSpacing": list(PIXEL_MM), "SliceThickness": STEP_MM, "SpacingBetweenSlices": STEP_MM}
    shared.update(group("PixelMeasuresSequence", **measures))
    shared.update(group("PlaneOrientationSequence", ImageOrientationPatient=[1, 0, 0, 0, 1, 0]))
    anatomy = {"FrameLaterality": "R", "AnatomicRegionSequence": [code("5665001", "Retina")]}
    shared.update(group("FrameAnatomySequence", **anatomy))
    dataset.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for place in range(count):
        frame = group("PlanePositionSequence", ImagePositionPatient=[0.0, 0.0, round(STEP_MM * place, 4)])
        content = {"FrameAcquisitionDateTime": AT, "FrameReferenceDateTime": AT, "FrameAcquisitionDuration": 1.0}
        stack = {"DimensionIndexValues": [place + 1], "StackID": "1", "InStackPositionNumber": place + 1}
        frame.update(group("FrameContentSequence", **content, **stack))
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = frames


def code(value: str, meaning: str) -> Dataset:
    """A SNOMED CT code (PS3.3 8.8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item


def group(keyword: str, **attributes: Any) -> Dataset:  # noqa: ANN401  # values of any attribute
    """A functional group with one item."""
    item, holder = Dataset(), Dataset()
    for name, value in attributes.items():
        setattr(item, name, value)
    setattr(holder, keyword, [item])
    return holder
