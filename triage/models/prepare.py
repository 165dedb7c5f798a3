"""Stored pixels to the network's input, by the plain values of a bundle: numpy and OpenCV only.

Order of work, and why:
1. to the upright of a frontal radiograph, where Patient Orientation states it; a slice as its plane says;
2. reduced by area on the stored values, as far as the input's grid: the full picture is touched once, as integers;
3. display values (modality LUT, window, presentation LUT, polarity) of the small picture, its percentiles to 0 and 1;
   or modality values through the bundle's windows, each of which becomes a channel;
4. fitted, normalised, repeated over the channels.

Pixel (x, y) counts columns and rows; pixel centres are whole numbers, so the image covers -0.5 to side - 0.5.
"""

from dataclasses import dataclass, replace
from math import gcd
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from data_schemas.bundle import Fit, PrepareSpec, Values
from data_schemas.explanation import Affine
from triage.images.display import display, modality_values, unit
from triage.images.geometry import Turn, compose, upright
from triage.images.pixels import StoredPixels
from triage.models.border import without_white_border

REDUCED_READ_MARGIN = 3.0
"""A reduced read keeps at least this many source pixels per input pixel and side. Measured on 30 films of 2,496 x 2,048
at an input of 256: read at a half, a probability moved by 0.001 on average; at a quarter by 0.005."""

SPANS_AT_ONCE = 4
"""Rows of the result that one matrix product makes; measured."""


@dataclass(frozen=True)
class Prepared:
    """One image as the network takes it."""

    tensor: NDArray[np.float32]
    """(channels, height, width), C-contiguous."""
    to_image: Affine
    """From the network's grid to the original image's grid."""


@dataclass(frozen=True)
class _Box:
    """Where the picture lies inside the network's grid, in pixels."""

    top: int
    left: int
    height: int
    width: int


def prepare(
    pixels: StoredPixels, spec: PrepareSpec, turn: Turn | None = None, out: NDArray[np.float32] | None = None
) -> Prepared:
    """The network's input for one image and the way back to its pixels.

    `pixels` may have been read at a reduced resolution; its own way back is included. `turn` brings the image to how
    the network knows it, by default to the upright of a radiograph. Equal input gives an equal result, bit for bit.
    The tensor is written into `out` where given, float32 (channels, height, width): new memory for each slice of a
    series would take longer than filling it.
    """
    turn = turn or upright(pixels.header, *pixels.values.shape[:2])
    values = turn.apply(pixels.values)
    if spec.dark_border and pixels.header.photometric_interpretation != "MONOCHROME1":
        values = without_white_border(values)
    rows, columns = values.shape[:2]
    box = _box(rows, columns, spec)
    small = replace(pixels, values=reduce_by_area(values, box.height, box.width))
    tensor = np.empty((spec.channels, spec.height, spec.width), np.float32) if out is None else out
    if (box.height, box.width) != (spec.height, spec.width):
        tensor.fill(-spec.mean / spec.std)
    inside = tensor[:, box.top : box.top + box.height, box.left : box.left + box.width]
    if spec.values is Values.DISPLAY:
        shown = _to_unit(display(small), spec.low_percentile, spec.high_percentile)
        inside[:] = (shown - np.float32(spec.mean)) * np.float32(1.0 / spec.std)
    else:
        _through_windows(modality_values(small), spec, inside)
    to_turned = _box_to_source(box, rows, columns)
    return Prepared(tensor, compose(pixels.to_image, compose(turn.to_image, to_turned)))


def _through_windows(values: NDArray[np.float32], spec: PrepareSpec, planes: NDArray[np.float32]) -> None:
    """Modality values (height, width) through each of the bundle's windows into its plane, normalised."""
    low, high = np.float32(-spec.mean / spec.std), np.float32((1 - spec.mean) / spec.std)
    for plane, (center, width) in zip(planes, spec.windows, strict=True):
        np.multiply(values, np.float32(1 / (width * spec.std)), out=plane)
        np.add(plane, np.float32((0.5 - center / width - spec.mean) / spec.std), out=plane)
        np.clip(plane, low, high, out=plane)


def needed_px(spec: PrepareSpec) -> int:
    """Shortest side, in pixels, that a reduced read must still have (`at_least_px` of triage.images.decode)."""
    return int(np.ceil(REDUCED_READ_MARGIN * max(spec.height, spec.width)))


FEW_PIXELS = 2_000_000
"""Up to here OpenCV's area reduction is the faster one, and ten times so for slices of 512 x 512."""
OF_OPENCV = frozenset(np.dtype(name) for name in ("u1", "u2", "i2", "f4"))
LARGEST_BLOCK = 16
"""Pixels of a side that become a few; measured: 512 to 384, in blocks of 4 to 3, takes half of OpenCV's time."""


def reduce_by_area(values: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Stored values (rows, columns) or (rows, columns, 3) to height x width in their own type.

    A side that shrinks takes the mean over the pixel's area; a side that grows is interpolated linearly. Both keep
    the outer edges of the image where they are.
    """
    rows, columns = values.shape[:2]
    stored = values.dtype
    if height <= rows and width <= columns and rows * columns <= FEW_PIXELS and stored in OF_OPENCV:
        if values.ndim == 2 and _in_blocks(rows, height) and _in_blocks(columns, width):
            return _mean_of_blocks(values, height, width)
        return cv2.resize(np.ascontiguousarray(values), (width, height), interpolation=cv2.INTER_AREA)
    narrow = stored.itemsize <= 2 and stored.kind in "iu"  # float32 holds these exactly
    found = values.astype(np.float64) if not narrow and stored.kind in "iu" else values
    if height < rows:
        found = _mean_of_spans(found, height)
    if width < columns:
        found = np.swapaxes(_mean_of_spans(np.swapaxes(found, 0, 1), width), 0, 1)
    if found.shape[:2] != (height, width):
        found = cv2.resize(np.ascontiguousarray(found), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.rint(found).astype(stored) if found.dtype != stored else np.ascontiguousarray(found)


def _in_blocks(length: int, count: int) -> bool:
    """Whether few pixels become fewer again and again, and not each few one, which OpenCV does fastest."""
    return length % count != 0 and length // gcd(length, count) <= LARGEST_BLOCK


def _mean_of_blocks(values: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """(rows, columns) to (height, width) in their own type: one small matrix for all blocks of a side."""
    rows, columns = values.shape
    down, across = gcd(rows, height), gcd(columns, width)
    blocks = values.astype(np.float32).reshape(down, rows // down, columns)
    shorter = np.matmul(_block_weights(rows // down, height // down), blocks).reshape(-1, columns // across)
    means: NDArray[Any] = (shorter @ _block_weights(columns // across, width // across).T).reshape(height, width)
    rounded: NDArray[Any] = means if values.dtype == np.float32 else np.rint(means, out=means).astype(values.dtype)
    return rounded


def _block_weights(length: int, count: int) -> NDArray[np.float32]:
    """(count, length): what each of `length` pixels adds to each of `count`."""
    ends = np.arange(count + 1, dtype=np.float64) * (length / count)
    return _area_weights(ends, np.arange(length)).astype(np.float32)


def _area_weights(ends: NDArray[np.float64], places: NDArray[np.int64]) -> NDArray[np.float64]:
    """(spans, pixels): the part of each pixel inside each of the equal spans between `ends`; a whole span sums to 1."""
    inside = np.minimum(ends[1:, None], places + 1) - np.maximum(ends[:-1, None], places)
    parts: NDArray[np.float64] = np.clip(inside, 0.0, None) / (ends[1] - ends[0])
    return parts


def _mean_of_spans(values: NDArray[Any], count: int) -> NDArray[Any]:
    """(n, ...) to (count, ...): means over equal spans of the first axis; a pixel counts by the part of it inside.

    What cv2.INTER_AREA gives, for large images in half its time: a few spans at once are one small matrix product over
    rows in cache.
    """
    length, real = values.shape[0], np.float64 if values.dtype == np.float64 else np.float32
    flat = np.ascontiguousarray(values).reshape(length, -1)
    ends = np.arange(count + 1) * (length / count)
    means = np.empty((count, flat.shape[1]), dtype=real)
    for first in range(0, count, SPANS_AT_ONCE):
        last = min(first + SPANS_AT_ONCE, count)
        low, high = int(ends[first]), min(int(np.ceil(ends[last])), length)
        weights = _area_weights(ends[first : last + 1], np.arange(low, high)).astype(real)
        np.matmul(weights, flat[low:high].astype(real, copy=False), out=means[first:last])
    return means.reshape(count, *values.shape[1:])


def _box(rows: int, columns: int, spec: PrepareSpec) -> _Box:
    if spec.fit is Fit.STRETCH:
        return _Box(0, 0, spec.height, spec.width)
    factor = min(spec.height / rows, spec.width / columns)
    height = min(max(round(rows * factor), 1), spec.height)
    width = min(max(round(columns * factor), 1), spec.width)
    return _Box((spec.height - height) // 2, (spec.width - width) // 2, height, width)


def _box_to_source(box: _Box, rows: int, columns: int) -> Affine:
    """Network grid to the grid that was reduced: edges fall on edges, so centres shift by half a pixel."""
    across, down = columns / box.width, rows / box.height
    return (
        (across, 0.0, (0.5 - box.left) * across - 0.5),
        (0.0, down, (0.5 - box.top) * down - 0.5),
    )


def _to_unit(values: NDArray[np.float32], low_percentile: float, high_percentile: float) -> NDArray[np.float32]:
    """Percentiles to 0 and 1, clipped; an image of one value becomes 0."""
    low, high = (np.float32(v) for v in np.percentile(values, (low_percentile, high_percentile)))
    if not high > low:
        return np.zeros_like(values)
    return unit((values - low) * (np.float32(1.0) / (high - low)))
