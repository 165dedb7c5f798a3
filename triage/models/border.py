"""White borders of B-scans: what a device leaves where it turned or shifted a scan is no tissue."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

WHITE = 250
LEAST_BORDER_PX = 200
BACKGROUND_PERCENTILE = 20
"""Of a B-scan, at least a fifth is vitreous and what lies below the choroid."""


def without_white_border(values: NDArray[Any]) -> NDArray[Any]:
    """White areas that touch the edge of uint8 grey (rows, columns) become as dark as the background.

    Anything else, a bright layer that reaches the edge in a thin line among them, stays as it is.
    """
    if values.dtype != np.uint8 or values.ndim != 2:
        return values
    white = (values >= WHITE).astype(np.uint8)
    if not white.any():
        return values
    _, areas, sizes, _ = cv2.connectedComponentsWithStats(white, connectivity=4)
    at_edge = set(np.concatenate([areas[0], areas[-1], areas[:, 0], areas[:, -1]]).tolist())
    large = [area for area in at_edge if area and sizes[area, cv2.CC_STAT_AREA] > LEAST_BORDER_PX]
    border = cv2.dilate(np.isin(areas, large).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    if border.all() or not border.any():
        return values
    cleaned = values.copy()
    cleaned[border] = np.uint8(np.percentile(values[~border], BACKGROUND_PERCENTILE))
    return cleaned
