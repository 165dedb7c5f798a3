"""Padding around a slice, which is no tissue, whatever value it was given."""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from triage.images.pixels import StoredPixels

AIR = -1000.0
"""Hounsfield units."""


def padding_as_air(pixels: StoredPixels) -> StoredPixels:
    """A CT slice (rows, columns) whose padding (PS3.3 C.7.5.1.1.2) is air, as outside every head.

    Padding that lies as low as air is left alone. Inside the patient a pixel may have the padding's value by chance, so
    only what touches the edge of the image counts.
    """
    look = pixels.look
    if look.padding is None or look.modality_lut is not None or pixels.values.ndim != 2:
        return pixels
    low, high = look.padding
    if high * look.slope + look.intercept <= AIR:
        return pixels
    padded = at_edge((pixels.values >= low) & (pixels.values <= high))
    if not padded.any():
        return pixels
    holds = np.iinfo(pixels.values.dtype)
    stored = round(np.clip((AIR - look.intercept) / look.slope, holds.min, holds.max))
    return replace(pixels, values=np.where(padded, pixels.values.dtype.type(stored), pixels.values))


def at_edge(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The parts of `mask` (rows, columns) that touch the edge."""
    if not (mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()):
        return np.zeros_like(mask)
    _, areas = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    found = np.unique(np.concatenate([areas[0], areas[-1], areas[:, 0], areas[:, -1]]))
    return np.isin(areas, found[found > 0])
