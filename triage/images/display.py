"""Stored values to what a person sees (PS3.3 C.11, PS3.14): one code for the page and for the network."""

import cv2
import numpy as np
from numpy.typing import NDArray

from data_schemas.study import InstanceHeader
from triage.images.pixels import Lut, StoredPixels, Window

Floats = NDArray[np.float32]


def display(pixels: StoredPixels, window: tuple[float, float] | None = None) -> Floats:
    """float32 (rows, columns), 0 black to 1 white.

    Modality LUT or rescale; then `window` (center, width in modality values) where given, else the first VOI LUT, else
    the file's first window, else the image's full range; then polarity: MONOCHROME1 and Presentation LUT Shape INVERSE
    each mean that low is white (together they still invert once, PS3.3 C.11.6.1.2). Colour becomes its luma.
    """
    if pixels.values.ndim == 3:
        grey: Floats = cv2.cvtColor(pixels.values, cv2.COLOR_RGB2GRAY).astype(np.float32) / np.float32(255)
        return grey
    values = modality_values(pixels)
    shown = value_of_interest(values, pixels, window)
    return np.subtract(1, shown, dtype=np.float32) if inverted(pixels.header) else shown


def modality_values(pixels: StoredPixels) -> Floats:
    """float32 (rows, columns) in the modality's unit: Modality LUT Sequence, else slope and intercept."""
    look = pixels.look
    if look.modality_lut is not None:
        return looked_up(pixels.values.astype(np.float32), look.modality_lut)
    values = pixels.values.astype(np.float32)
    if look.slope != 1.0:
        values *= np.float32(look.slope)
    if look.intercept != 0.0:
        values += np.float32(look.intercept)
    return values


def value_of_interest(values: Floats, pixels: StoredPixels, window: tuple[float, float] | None) -> Floats:
    """Modality values to 0..1 by the chosen window or table."""
    look = pixels.look
    if window is not None:
        return windowed(values, Window(*window), look.voi_function)
    if look.voi_luts:
        lut = look.voi_luts[0]
        return unit(looked_up(values, lut) / np.float32(2**lut.bits - 1))
    if look.windows:
        return windowed(values, look.windows[0], look.voi_function)
    low, high = full_range(values, pixels)
    if not high > low:
        return np.zeros_like(values)
    return unit((values - low) / (high - low))


def unit(values: Floats) -> Floats:
    """Clipped to 0..1."""
    clipped: Floats = np.clip(values, 0, 1, dtype=np.float32)
    return clipped


def full_range(values: Floats, pixels: StoredPixels) -> tuple[np.float32, np.float32]:
    """Lowest and highest modality value, padding left out."""
    padding = pixels.look.padding
    if padding is not None:
        image = values[(pixels.values < padding[0]) | (pixels.values > padding[1])]
        values = image if image.size else values
    return np.float32(values.min()), np.float32(values.max())


def windowed(values: Floats, window: Window, function: str) -> Floats:
    """PS3.3 C.11.2.1.2 (LINEAR), C.11.2.1.3.2 (LINEAR_EXACT), C.11.2.1.3.1 (SIGMOID)."""
    center, width = np.float32(window.center), np.float32(window.width)
    if function == "SIGMOID":
        sigmoid: Floats = np.float32(1) / (1 + np.exp(np.float32(-4) * (values - center) / width))
        return sigmoid
    if function == "LINEAR_EXACT":
        return unit((values - center) / width + np.float32(0.5))
    center, width = center - np.float32(0.5), np.float32(max(window.width - 1, 1e-6))
    return unit((values - center) / width + np.float32(0.5))


def looked_up(values: Floats, lut: Lut) -> Floats:
    """Table entries for modality or stored values; values between whole numbers are rounded."""
    index = np.clip(np.rint(values) - lut.first, 0, lut.entries.size - 1).astype(np.intp)
    entries: Floats = lut.entries[index].astype(np.float32)
    return entries


def inverted(header: InstanceHeader) -> bool:
    """Whether low values are white."""
    return header.photometric_interpretation == "MONOCHROME1" or header.presentation_lut_shape == "INVERSE"
