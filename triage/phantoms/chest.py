"""Chest radiographs, drawn as the projection of simple bodies.

A pixel is the sum of path lengths through ellipsoids and tubes, as in an X-ray: bodies shine through each other.

Coordinates: x from 0 (patient's right) to 1 across the width, y downwards in the same unit; heights reach 1.2.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import DigitalXRayImageStorageForPresentation

from triage.phantoms.marks import marked, with_grey

Field = NDArray[np.float32]
COLUMNS, ROWS = 700, 840
"""Grid of the bodies."""
ENLARGED = 2
"""Image pixels per pixel of that grid."""
BITS = 12


@dataclass(frozen=True)
class Phantom:
    """One study to draw."""

    name: str
    words: str
    """What was drawn, for the study description."""
    heart: float = 1.0
    """Size of the heart against the usual one."""
    opacity: bool = False
    effusion: bool = False
    nodule: bool = False
    blank: bool = False
    """An exposure without a body."""
    priority: str = ""
    seed: int = 0
    """Of everything that varies at random. Those below were chosen among 24 so that the shipped model finds lung
    oedema, which nobody drew, at most in the chest with an opacity; drawn chests lie near that operating point."""


PHANTOMS = (
    Phantom("NORMAL-1", "nothing drawn", seed=2),
    Phantom("OPACITY", "drawn opacity in the right lower zone", opacity=True, seed=8),
    Phantom("EFFUSION", "drawn effusion on the left", effusion=True, seed=15),
    Phantom("HEART", "drawn large heart", heart=1.4, seed=1),
    Phantom("NODULE", "drawn nodule in the left upper zone", nodule=True, seed=12),
    Phantom("NORMAL-2", "nothing drawn, ordered STAT", priority="STAT", seed=15),
    Phantom("HEART-AND-EFFUSION", "drawn large heart and effusion", heart=1.45, effusion=True, seed=5),
    Phantom("BLANK", "exposure without a body", blank=True, seed=8),
)


def as_dicom(phantom: Phantom, values: NDArray[np.uint16]) -> Dataset:
    """A digital X-ray image for presentation (PS3.3 A.26) with stored values (rows, columns) of 12 bits."""
    number = PHANTOMS.index(phantom) + 1
    dataset = marked(phantom.name, number, f"chest PA: {phantom.words}")
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.Modality, dataset.BodyPartExamined, dataset.ViewPosition = "DX", "CHEST", "PA"
    dataset.PatientOrientation = ["L", "F"]
    dataset.ImageType, dataset.PresentationIntentType = ["DERIVED", "PRIMARY"], "FOR PRESENTATION"
    dataset.PresentationLUTShape, dataset.ImagerPixelSpacing = "IDENTITY", [0.25, 0.25]
    if phantom.priority:
        dataset.RequestedProcedurePriority = phantom.priority
    with_grey(dataset, values, BITS)
    return dataset


def draw(phantom: Phantom) -> NDArray[np.uint16]:
    """Stored values (rows, columns): low is dark."""
    random = np.random.default_rng(phantom.seed)
    size = (COLUMNS * ENLARGED, ROWS * ENLARGED)
    if phantom.blank:
        picture = np.full(size[::-1], 0.5, np.float32)
    else:
        picture = as_field(cv2.resize(film(chest(phantom, random), random), size, interpolation=cv2.INTER_CUBIC))
        picture = np.maximum(picture, lead_marker(picture.shape))
    picture += grain(random, 0.004, picture)
    stored: NDArray[np.uint16] = np.rint(np.clip(picture, 0, 1) * (2**BITS - 1)).astype(np.uint16)
    return stored


def film(path_length: Field, random: np.random.Generator) -> Field:
    """Path lengths to brightness 0..1 as films are processed: large differences reduced, edges raised, tissue with its
    own fine structure, then the spectrum and the histogram that films have on average."""
    flat = path_length - 0.99 * blurred(path_length, 1 / 3.7)
    low, high = np.percentile(flat, (0.9, 88))
    tone = np.clip((flat - low) / (high - low), 0, 1) ** 0.68
    tone += 0.99 * (tone - blurred(tone, 1 / 175))
    tissue = np.clip(torso(0.0) * 4, 0.25, 1)
    picture = tone + tissue * (0.081 * texture(random, 0.56) + 0.025 * texture(random, 0.74))
    for _ in range(2):
        picture = with_histogram(with_spectrum(picture))
    return as_field(picture)


FILM_POWER = (
    (1, 6.0), (1.5, 5.5), (2.1, 5.2), (3, 4.7), (3.6, 2.8), (4.5, 0.9), (6, 0.5), (8, -0.6), (11, -1.1), (16, -2.1),
    (23, -3.5), (32, -4.6), (45, -5.5), (64, -6.5), (90, -7.7), (128, -9.2), (180, -10.6), (256, -11.2),
)  # fmt: skip
"""Mean natural logarithm of the power of 150 films of NIH ChestX-ray14, by cycles per picture."""
FILM_QUANTILES = (
    0.0, 0.144, 0.293, 0.402, 0.476, 0.536, 0.587, 0.632, 0.672, 0.71, 0.746, 0.782, 0.82, 0.861, 0.904, 0.946, 1.0,
)  # fmt: skip
"""Mean of their sixteenths of brightness, between their 0.5 and 99.5 percentiles."""


def with_spectrum(picture: Field) -> Field:
    """The picture with the power that films have at each frequency up to 256 cycles; its phases stay."""
    cycles, wanted = np.array(FILM_POWER).T
    frequency = np.maximum(np.hypot(*cycles_per_picture()), 1)
    window = np.outer(np.hanning(ROWS), np.hanning(COLUMNS))
    mean = float(picture.mean())
    power = np.abs(np.fft.fft2((picture - mean) * window)) ** 2 / (window**2).sum() * (512 * 512) / (ROWS * COLUMNS)
    edges = np.geomspace(1, 256, 40)
    band = np.digitize(frequency, edges)
    filled = [number for number in range(1, len(edges)) if (band == number).any()]
    middles = np.sqrt(edges[1:] * edges[:-1])[np.array(filled) - 1]
    found = np.array([np.log(power[band == number].mean() + 1e-12) for number in filled])
    missing = np.interp(np.log(middles), np.log(cycles), wanted) - found
    gain = np.exp(0.5 * np.interp(np.log(frequency), np.log(middles), missing))
    return as_field(np.fft.ifft2(np.fft.fft2(picture - mean) * gain).real + mean)


def with_histogram(picture: Field) -> Field:
    """The picture with the brightness that films have."""
    steps = np.linspace(0, 1, len(FILM_QUANTILES))
    return as_field(np.interp(picture, np.quantile(picture, steps), FILM_QUANTILES))


def texture(random: np.random.Generator, fall: float) -> Field:
    """Noise of mean 0 and deviation 1 whose amplitude falls with that power of the frequency, its coarsest part left
    out."""
    frequency = np.hypot(*cycles_per_picture())
    frequency[0, 0] = 1
    coarse = np.fft.ifft2(np.fft.fft2(random.standard_normal((ROWS, COLUMNS))) * frequency**-fall).real
    fine = coarse - blurred(as_field(coarse), 1 / 11)
    return as_field(fine / fine.std())


def cycles_per_picture() -> tuple[Field, Field]:
    """Of each term of a Fourier transform: down (rows, 1), across (1, columns)."""
    down, across = np.fft.fftfreq(ROWS) * ROWS, np.fft.fftfreq(COLUMNS) * COLUMNS
    return as_field(down)[:, np.newaxis], as_field(across)[np.newaxis]


def blurred(values: Field, part: float) -> Field:
    """Smoothed with a deviation of that part of the picture's sides."""
    return as_field(cv2.GaussianBlur(values, (0, 0), sigmaX=COLUMNS * part, sigmaY=ROWS * part))


def lead_marker(shape: tuple[int, ...]) -> Field:
    """The word PHANTOM in lead letters at the upper left, 0 elsewhere."""
    letters = np.zeros(shape, np.uint8)
    cv2.putText(letters, "PHANTOM", (40, 90), cv2.FONT_HERSHEY_SIMPLEX, 2.0, (250,), 5, cv2.LINE_AA)
    return as_field(letters) / np.float32(255)


def grain(random: np.random.Generator, deviation: float, like: Field) -> Field:
    """Independent noise for every pixel."""
    return as_field(random.standard_normal(like.shape) * deviation)


def as_field(values: NDArray[Any]) -> Field:
    """The same numbers as float32."""
    return np.asarray(values, dtype=np.float32)


def chest(phantom: Phantom, random: np.random.Generator) -> Field:
    """Path lengths of the whole chest."""
    sway = float(random.uniform(-0.012, 0.012))
    lift = float(random.uniform(-0.02, 0.02))
    lungs, below = air(phantom, sway, lift)
    soft = torso(sway)
    body = soft - 0.80 * np.minimum(lungs, soft) + 0.06 * below * (soft > 0)
    body += 0.26 * heart(phantom, sway) * (1 - 0.6 * below)
    body += 2.1 * tubes(skeleton(random, sway))
    body += 2.15 * tubes(branches(random, sway)) * np.clip(lungs * 6, 0, 1)
    return as_field(body + lesions(phantom, random) * np.clip(lungs * 8, 0, 1))


def grid() -> tuple[Field, Field]:
    """x and y of every pixel, each (rows, columns)."""
    x, y = np.meshgrid(np.arange(COLUMNS, dtype=np.float32), np.arange(ROWS, dtype=np.float32))
    return as_field((x + 0.5) / COLUMNS), as_field((y + 0.5) / COLUMNS)


def ellipsoid(cx: float, cy: float, a: float, b: float, depth: float, turn_degrees: float = 0.0) -> Field:
    """Path length through an ellipsoid with half axes a, b in the picture and `depth` along the beam."""
    x, y = grid()
    angle = np.deg2rad(turn_degrees)
    u = ((x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)) / a
    v = (-(x - cx) * np.sin(angle) + (y - cy) * np.cos(angle)) / b
    inside: Field = (2 * depth * np.sqrt(np.clip(1 - u**2 - v**2, 0, None))).astype(np.float32)
    return inside


def torso(sway: float) -> Field:
    """Soft tissue of trunk, neck, shoulders and arms."""
    trunk = ellipsoid(0.5 + sway, 0.85, 0.47, 1.05, 0.125)
    neck = ellipsoid(0.5 + sway, -0.02, 0.105, 0.30, 0.10)
    shoulders = ellipsoid(0.16, 0.30, 0.30, 0.15, 0.055, -24) + ellipsoid(0.84, 0.30, 0.30, 0.15, 0.055, 24)
    arms = ellipsoid(-0.02, 0.75, 0.11, 0.62, 0.05, 4) + ellipsoid(1.02, 0.75, 0.11, 0.62, 0.05, -4)
    return as_field(np.maximum(trunk, neck) + 0.8 * np.maximum(shoulders, arms))


def air(phantom: Phantom, sway: float, lift: float) -> tuple[Field, Field]:
    """Path length through both lungs, and how far each pixel lies below the diaphragm, 0 to 1."""
    x, y = grid()
    right = ellipsoid(0.30 + sway, 0.66, 0.205, 0.56, 0.115, 3)
    left = ellipsoid(0.70 + sway, 0.66, 0.20, 0.56, 0.115, -3)
    domes = np.where(x < 0.5 + sway, 0.86 + 2.6 * (x - 0.33) ** 2, 0.895 + 2.6 * (x - 0.66) ** 2) + lift
    fluid = domes - (0.10 + 0.9 * np.clip(x - 0.60, 0, None) ** 1.3 if phantom.effusion else 0) * (x > 0.5)
    medial = softly(0.055 + 0.02 * np.clip(y - 0.3, 0, None) - np.abs(x - 0.5 - sway), 0.006)
    lungs: Field = ((right + left) * softly(fluid - y, 0.005) * (1 - medial)).astype(np.float32)
    bubble = ellipsoid(0.66, 1.0, 0.055, 0.03, 0.05)
    return lungs + bubble, softly(y - domes, 0.005)


def softly(distance: NDArray[Any], width: float) -> Field:
    """1 well inside (above 0), 0 well outside."""
    step: Field = (1 / (1 + np.exp(np.clip(-distance / width, -60, 60)))).astype(np.float32)
    return step


def heart(phantom: Phantom, sway: float) -> Field:
    """Heart, great vessels and hila."""
    size = phantom.heart
    muscle = ellipsoid(0.55 + sway, 0.75, 0.165 * size, 0.125 * size, 0.075 * size, 38)
    muscle += ellipsoid(0.47 + sway, 0.75, 0.07 * size, 0.12 * size, 0.03 * size)
    aorta = ellipsoid(0.555 + sway, 0.40, 0.045, 0.05, 0.025) + ellipsoid(0.54 + sway, 0.60, 0.035, 0.24, 0.02)
    cava = ellipsoid(0.455 + sway, 0.45, 0.03, 0.24, 0.015)
    hila = ellipsoid(0.40 + sway, 0.57, 0.035, 0.06, 0.018, 20) + ellipsoid(0.60 + sway, 0.545, 0.035, 0.06, 0.018, -20)
    return muscle + aorta + cava + hila


def tubes(lines: Iterator[tuple[NDArray[np.float64], float]]) -> Field:
    """Path length through round rods along polylines of (x, y), each with a radius."""
    total = np.zeros((ROWS, COLUMNS), np.float32)
    for points, radius in lines:
        margin = int(radius * COLUMNS) + 2
        pixels = np.rint(points * COLUMNS).astype(np.int32)
        left, top = np.maximum(pixels.min(axis=0) - margin, 0)
        right, bottom = np.minimum(pixels.max(axis=0) + margin, (COLUMNS, ROWS))
        if right <= left or bottom <= top:
            continue
        mask = np.full((bottom - top, right - left), 255, np.uint8)
        cv2.polylines(mask, [np.rint((points * COLUMNS - (left, top)) * 16).astype(np.int32)], False, 0, 1, shift=4)
        away = cv2.distanceTransform(mask, cv2.DIST_L2, 5) / COLUMNS
        total[top:bottom, left:right] += 2 * np.sqrt(np.clip(radius**2 - away**2, 0, None)).astype(np.float32)
    return total


def skeleton(random: np.random.Generator, sway: float) -> Iterator[tuple[NDArray[np.float64], float]]:
    """Polylines and radii of ribs, clavicles, shoulder blades and spine."""
    u = np.linspace(0, 1, 40)
    for rib in range(11):
        level = 0.13 + 0.078 * rib + random.uniform(-0.004, 0.004)
        reach = 0.19 + 0.24 * np.sin(np.pi * min((rib + 1.5) / 14, 0.5))
        for side in (-1, 1):
            x = 0.5 + sway + side * (0.03 + reach * np.sin(u * np.pi * 0.5))
            back = level - 0.03 * np.sin(u * np.pi) + 0.12 * u**2.4
            for edge in (-0.009, 0.0, 0.009):  # the cortex is brighter than the middle
                yield np.stack([x, back + edge], axis=1), 0.008 if edge == 0 else 0.0035
            if rib < 8:
                front = 0.5 + sway + side * (0.03 + reach * np.cos(u * np.pi * 0.40))
                yield np.stack([front, level + 0.10 + 0.13 * u**1.3], axis=1), 0.006
    for side in (-1, 1):
        x = 0.5 + sway + side * (0.04 + 0.33 * u)
        yield np.stack([x, 0.235 - 0.08 * u + 0.015 * np.sin(u * 2 * np.pi)], axis=1), 0.014
        yield np.stack([0.5 + side * (0.36 + 0.09 * u), 0.24 + 0.36 * u - 0.3 * u**2], axis=1), 0.007
        yield np.array([[0.5 + side * 0.44, 0.23], [0.5 + side * 0.475, 0.80]]), 0.024
        yield np.array([[0.5 + side * 0.425, 0.22], [0.5 + side * 0.43, 0.235]]), 0.036
    for vertebra in range(16):
        y = 0.02 + 0.074 * vertebra
        yield np.array([[0.478 + sway, y], [0.522 + sway, y]]), 0.024


def branches(random: np.random.Generator, sway: float) -> Iterator[tuple[NDArray[np.float64], float]]:
    """Polylines and radii of vessels that leave the hila, divide and grow thinner.

    Few and thin: with two and a half times as many, nearly twice as thick, the shipped model calls a chest in which
    nothing else is drawn oedema (0.40 instead of 0.05).
    """
    steps = np.linspace(0, 1, 10)
    for side in (-1, 1):
        for _ in range(10):
            start = np.array([0.5 + sway + side * random.uniform(0.07, 0.12), random.uniform(0.48, 0.66)])
            heading, radius = random.uniform(-1.4, 1.45), 0.0033
            for _ in range(4):
                bend = heading + random.uniform(-0.5, 0.5) * steps
                length = random.uniform(0.04, 0.10)
                path = np.stack([side * np.cos(bend) * 0.7, np.sin(bend)], axis=1).cumsum(axis=0) * length / 10
                yield start + path, radius
                twig = heading + random.choice([-1, 1]) * random.uniform(0.4, 0.9)
                fork = np.stack([side * np.cos(twig) * 0.7 * steps, np.sin(twig) * steps], axis=1) * length
                yield start + path[-1] + fork, radius * 0.55
                start, heading, radius = start + path[-1], float(bend[-1]), radius * 0.75


def lesions(phantom: Phantom, random: np.random.Generator) -> Field:
    """What was asked for beside the anatomy; fluid and a large heart are drawn with it."""
    total = np.zeros((ROWS, COLUMNS), np.float32)
    if phantom.nodule:
        total += 0.8 * ellipsoid(0.71, 0.44, 0.028, 0.028, 0.028)
    if phantom.opacity:
        for _ in range(60):
            at, side = random.normal((0.29, 0.72), (0.05, 0.05)), random.uniform(0.015, 0.045)
            total += 0.26 * ellipsoid(at[0], at[1], side, side, side)
    return total
