"""Images that are no chest radiograph, as grey pictures dressed like one: what the distribution gate must stop.

There are no radiographs of hands or other limbs among them: none were at hand, and drawn ones would prove nothing.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from data_schemas.study import InstanceHeader
from triage.images.pixels import StoredPixels

Grey = NDArray[np.uint8]
BITS = 12


@dataclass(frozen=True)
class Outside:
    """One picture that is no chest radiograph."""

    kind: str
    group: str
    """Patient, or photograph: never in both halves of development and test."""
    values: Grey


def dressed(values: Grey) -> StoredPixels:
    """8-bit grey (rows, columns) as 12-bit stored values of a DX image."""
    rows, columns = values.shape
    header = InstanceHeader(
        study_instance_uid="1",
        series_instance_uid="1",
        sop_instance_uid="1",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1",
        transfer_syntax_uid="",
        modality="DX",
        rows=rows,
        columns=columns,
        photometric_interpretation="MONOCHROME2",
        bits_allocated=16,
        bits_stored=BITS,
        high_bit=BITS - 1,
        has_pixels=True,
    )
    return StoredPixels(values.astype(np.uint16) * 16, header)


def read_folder(kind: str, folder: Path, count: int) -> list[Outside]:
    """`count` pictures spread over the folder's sorted names, which end in PATIENT-NUMBER or PATIENT_NUMBER."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    places: NDArray[np.int64] = np.unique(
        np.linspace(0, max(len(paths) - 1, 0), min(count, len(paths))).round().astype(np.int64)
    )
    pictures = []
    for path in (paths[place] for place in places):
        values = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if values is not None:
            pictures.append(Outside(kind, patient_of(path), np.asarray(values, dtype=np.uint8)))
    return pictures


def patient_of(path: Path) -> str:
    """The last part but one of a name such as AMD-1047099-1.jpg or 049_02.jpg."""
    parts = re.split(r"[-_]", path.stem)
    return parts[-2] if len(parts) > 1 else parts[0]


def photographs(count: int, seed: int) -> list[Outside]:
    """Random crops of the colour photographs that scikit-learn and matplotlib carry, in grey."""
    from matplotlib import cbook
    from sklearn.datasets import load_sample_images

    whole = [np.asarray(image) for image in load_sample_images().images]
    portrait = Path(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    whole.append(np.asarray(cv2.imread(str(portrait), cv2.IMREAD_COLOR_RGB)))
    random = np.random.default_rng(seed)
    crops = []
    for number in range(count):
        image = whole[number % len(whole)]
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        side = int(random.integers(160, min(grey.shape) + 1))
        top, left = (int(random.integers(0, whole_side - side + 1)) for whole_side in grey.shape)
        crop = np.asarray(grey[top : top + side, left : left + side], dtype=np.uint8)
        crops.append(Outside("photograph", str(number % len(whole)), crop))
    return crops


def noise(count: int, seed: int) -> list[Outside]:
    """Drawn noise: white, smooth at several scales, slopes and stripes, 256 x 256."""
    random = np.random.default_rng(seed)
    return [Outside("noise", str(number), _drawn(number, random)) for number in range(count)]


def _drawn(number: int, random: np.random.Generator) -> Grey:
    side = 256
    kind = number % 5
    if kind == 0:
        field = random.random((side, side))
    elif kind == 1:
        field = random.normal(size=(side, side))
    elif kind in (2, 3):
        cells = int(random.integers(3, 33))
        coarse = random.random((cells, cells))
        field = np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC), dtype=np.float64)
    else:
        y, x = np.mgrid[0:side, 0:side] / side
        turn, waves = random.uniform(0, np.pi), random.uniform(0.2, 20)
        field = np.sin(2 * np.pi * waves * (x * np.cos(turn) + y * np.sin(turn)))
    low, high = field.min(), field.max()
    drawn: Grey = np.rint((field - low) / (high - low) * 255).astype(np.uint8)
    return drawn


def outside_images(folders: Mapping[str, Path], count: int, seed: int) -> list[Outside]:
    """`count` of each kind: of the folders (none where one is missing), photographs and noise."""
    found = [one for kind, folder in folders.items() for one in read_folder(kind, folder, count)]
    return [*found, *photographs(count, seed), *noise(count, seed)]


def for_development(images: Sequence[Outside]) -> NDArray[np.bool_]:
    """(images,): every second group of each kind helps to choose; the others test."""
    chosen: dict[str, bool] = {}
    for kind in sorted({one.kind for one in images}):
        groups = sorted({one.group for one in images if one.kind == kind})
        chosen |= {f"{kind} {group}": place % 2 == 0 for place, group in enumerate(groups)}
    return np.array([chosen[f"{one.kind} {one.group}"] for one in images], dtype=bool)
