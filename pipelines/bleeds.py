"""Haemorrhages painted into head-CT slices that have none, as more examples than 36 patients can give.

A painted bleed is brighter than the brain around it, by what fresh blood is, and lies where its kind lies: in the
brain, as a lens or a sickle along the inner table of the skull, in the sulci, or level in the ventricles. Painting is
for training only; every figure of a card is measured on slices as they came.

Slices here are uint8 (rows, columns) of the brain window: 0 to 255 are -20 to 100 Hounsfield units.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Field = NDArray[np.float32]
GREY_PER_HU = 255 / 120
BONE = 250
"""Grey from which a pixel may be bone: the window's upper end."""
BRAIN_GREY = (75, 170)
"""Median grey of a brain: 15 to 60 Hounsfield units."""
LEAST_BRAIN = 0.03
"""Share of the slice that the inside of the skull takes at least."""
LEAST_SEEN_PX, LEAST_SEEN_HU = 60, 5.0
"""A bleed that changes fewer pixels by that much is no example of one."""
TRIES = 4
KINDS = ("intraparenchymal", "epidural", "subdural", "subarachnoid", "intraventricular")
OFTEN = (0.35, 0.20, 0.20, 0.15, 0.10)


@dataclass(frozen=True)
class Painted:
    """A slice with its bleed."""

    values: Grey
    kind: str
    where: Mask


def paint(values: Grey, random: np.random.Generator) -> Painted | None:
    """The slice with one kind of bleed; None where no skull closes around a brain, or where no bleed would be seen."""
    brain = brain_of(values)
    if brain is None:
        return None
    for _ in range(TRIES):
        kind = str(random.choice(KINDS, p=OFTEN))
        where = _place(kind, values, brain, random)
        if where is None:
            continue
        painted = _filled(values, where & brain, brain, kind, random)
        changed = np.abs(painted.astype(np.int16) - values)[where & brain]
        if (changed > LEAST_SEEN_HU * GREY_PER_HU).sum() >= LEAST_SEEN_PX:
            return Painted(painted, kind, where & brain)
    return None


def brain_of(values: Grey) -> Mask | None:
    """The largest area that bone encloses and that is as dense as brain, without the pixels next to bone."""
    bone = cv2.morphologyEx((values >= BONE).astype(np.uint8), cv2.MORPH_CLOSE, _disc(9))
    _, areas, sizes, _ = cv2.connectedComponentsWithStats(1 - bone, connectivity=4)
    rows, columns = values.shape
    largest, found = LEAST_BRAIN * rows * columns, None
    for number, (left, top, width, height, size) in enumerate(sizes):
        at_edge = left == 0 or top == 0 or left + width == columns or top + height == rows
        if number == 0 or at_edge or size < largest:
            continue
        area = areas == number
        if BRAIN_GREY[0] < float(np.median(values[area])) < BRAIN_GREY[1]:
            largest, found = size, area
    if found is None:
        return None
    inside: Mask = cv2.erode(found.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return inside


def _place(kind: str, values: Grey, brain: Mask, random: np.random.Generator) -> Mask | None:
    """Pixels of one bleed of that kind."""
    if kind == "intraparenchymal":
        return _clots(brain, random)
    if kind in ("epidural", "subdural"):
        return _along_the_skull(brain, random, lens=kind == "epidural")
    return _in_fluid(values, brain, random, ventricles=kind == "intraventricular")


def _clots(brain: Mask, random: np.random.Generator) -> Mask | None:
    """One rounded, uneven clot, every fourth time two."""
    deep = np.argwhere(cv2.erode(brain.astype(np.uint8), np.ones((9, 9), np.uint8)))
    if not len(deep):
        return None
    size = float(np.sqrt(brain.sum()))
    found = np.zeros_like(brain)
    for _ in range(2 if random.random() < 0.25 else 1):
        row, column = deep[random.integers(len(deep))]
        long = size * np.exp(random.uniform(np.log(0.03), np.log(0.16)))
        short, turn = long * random.uniform(0.5, 1), random.uniform(0, np.pi)
        y, x = np.mgrid[: brain.shape[0], : brain.shape[1]].astype(np.float32)
        along = (x - column) * np.cos(turn) + (y - row) * np.sin(turn)
        across = (y - row) * np.cos(turn) - (x - column) * np.sin(turn)
        uneven = 0.25 * _clouds(brain.shape, max(3, int(long)), random)
        found |= np.hypot(along / long, across / short) + uneven < 1
    return found


def _along_the_skull(brain: Mask, random: np.random.Generator, *, lens: bool) -> Mask:
    """A lens (epidural) or a longer, thinner sickle (subdural) on one side, by the depth below the skull."""
    closed = cv2.morphologyEx(brain.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8))
    depth = cv2.distanceTransform(np.pad(closed, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    away = _angle_from(brain, random.uniform(-np.pi, np.pi))
    size = float(np.sqrt(brain.sum()))
    if lens:
        half = random.uniform(0.2, 0.6)
        thick = size * random.uniform(0.03, 0.16) * np.clip(1 - (away / half) ** 2, 0, None)
    else:
        half = random.uniform(0.5, 1.4)
        thick = size * random.uniform(0.015, 0.09) * np.clip(1 - (away / half) ** 4, 0, None)
    thick = thick * (1 + 0.15 * _clouds(brain.shape, 12, random))
    found: Mask = (depth > 0) & (depth < thick) & (away < half)
    return found


def _angle_from(brain: Mask, direction: float) -> Field:
    """Of each pixel, radians between `direction` and the way to it from the brain's middle."""
    middle = np.argwhere(brain).mean(axis=0)
    y, x = np.mgrid[: brain.shape[0], : brain.shape[1]].astype(np.float32)
    angle = np.arctan2(y - middle[0], x - middle[1]) - direction
    away: Field = np.abs(np.angle(np.exp(1j * angle))).astype(np.float32)
    return away


def _in_fluid(values: Grey, brain: Mask, random: np.random.Generator, *, ventricles: bool) -> Mask | None:
    """Blood where cerebrospinal fluid was: the lower part of the ventricles, or the sulci and cisterns of a region."""
    smooth = cv2.GaussianBlur(values.astype(np.float32), (0, 0), 1.0)
    fluid = (smooth < np.median(smooth[brain]) - 8 * GREY_PER_HU) & brain
    size = float(np.sqrt(brain.sum()))
    inside = np.argwhere(brain)
    y, x = np.mgrid[: brain.shape[0], : brain.shape[1]].astype(np.float32)
    if ventricles:
        middle = inside.mean(axis=0)
        found = _pools(fluid & (np.hypot(x - middle[1], y - middle[0]) < 0.3 * size))
        if found.any():
            found &= y > np.quantile(np.nonzero(found)[0], random.uniform(0.2, 0.75))
    else:
        middle = inside[random.integers(len(inside))]
        found = fluid & (np.hypot(x - middle[1], y - middle[0]) < size * random.uniform(0.15, 0.45))
    return found if found.sum() >= LEAST_SEEN_PX else None


def _pools(fluid: Mask, least_px: int = 25) -> Mask:
    """Areas of fluid of some size."""
    _, areas, sizes, _ = cv2.connectedComponentsWithStats(fluid.astype(np.uint8))
    large = [number for number in range(1, len(sizes)) if sizes[number, cv2.CC_STAT_AREA] > least_px]
    found: Mask = np.isin(areas, large)
    return found


def _filled(values: Grey, where: Mask, brain: Mask, kind: str, random: np.random.Generator) -> Grey:
    """The slice with blood in these pixels: its own grain on it, edges as soft as the scanner's."""
    picture = values.astype(np.float32)
    grain = picture - cv2.GaussianBlur(picture, (0, 0), 2)
    soft = cv2.GaussianBlur(where.astype(np.float32), (0, 0), random.uniform(0.5, 1.6)) * brain
    brighter = random.uniform(8, 28) if kind == "subarachnoid" else random.uniform(14, 42)
    uneven = 4 * random.uniform(0, 1.2) * _clouds(values.shape, 8, random)
    if kind == "subdural" and random.random() < 0.3:  # older blood beside fresh
        uneven = uneven - 12 * (_clouds(values.shape, 20, random) > 0.5)
    blood = np.median(picture[brain]) + GREY_PER_HU * (brighter + uneven) + grain
    if kind == "intraparenchymal" and random.random() < 0.6:  # oedema around it
        rim = cv2.GaussianBlur(cv2.dilate(where.astype(np.uint8), _disc(9)).astype(np.float32), (0, 0), 2) * brain
        picture = picture - GREY_PER_HU * random.uniform(3, 10) * rim * (1 - soft)
    painted: Grey = np.clip(np.rint(picture * (1 - soft) + blood * soft), 0, 255).astype(np.uint8)
    return painted


def _clouds(shape: tuple[int, ...], cell_px: int, random: np.random.Generator) -> Field:
    """Smooth noise of mean 0 and spread 1, as coarse as the cell."""
    rows, columns = shape[0], shape[1]
    coarse = random.normal(size=(max(2, rows // cell_px + 2), max(2, columns // cell_px + 2))).astype(np.float32)
    fine = np.asarray(cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_CUBIC), dtype=np.float32)
    clouds: Field = (fine - fine.mean()) / (fine.std() + np.float32(1e-6))
    return clouds


def _disc(side: int) -> Grey:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), dtype=np.uint8)
