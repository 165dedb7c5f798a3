"""Maps on the original pixels: raw values, and a coloured overlay that lets the image through where the map is low."""

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from data_schemas.explanation import Explanation
from triage.images.geometry import compose
from triage.models.cells import on_original, span

Scale = Literal["inferno", "magma", "viridis"]
"""Perceptually uniform scales (van der Walt and Smith, CC0): equal steps of the value look equally large."""
SCALES: dict[Scale, int] = {
    "inferno": cv2.COLORMAP_INFERNO,
    "magma": cv2.COLORMAP_MAGMA,
    "viridis": cv2.COLORMAP_VIRIDIS,
}
CLEAR_BELOW = 0.05
"""Share of the ceiling up to which nothing is drawn."""
MOST_OPAQUE = 0.75
"""Opacity at the ceiling: the image stays visible under the strongest colour."""


def on_image(explanation: Explanation, longest_side_px: int | None = None) -> NDArray[np.float32]:
    """The map on the original image's grid, float32 (rows, columns), in the method's own unit, zero or above.

    With `longest_side_px` smaller than the image, on a grid that covers the image edge to edge at that size.
    """
    header = explanation.header
    rows, columns = header.rows, header.columns
    factor = min(1.0, (longest_side_px or max(rows, columns)) / max(rows, columns))
    if factor == 1.0:
        return on_original(explanation.values, header.to_image, rows, columns)
    small_rows, small_columns = max(round(rows * factor), 1), max(round(columns * factor), 1)
    smaller = compose(span(rows, columns, small_rows, small_columns), header.to_image)
    return on_original(explanation.values, smaller, small_rows, small_columns)


def overlay(values: NDArray[np.float32], ceiling: float | None = None, scale: Scale = "inferno") -> NDArray[np.uint8]:
    """Colours for a drawn map (rows, columns): uint8 (rows, columns, 4), red, green, blue, opacity (not premultiplied).

    `ceiling` is the value that gets the last colour, by default the map's own maximum; a map of zeros is clear
    throughout. Opacity rises linearly from 0 at 5 % of the ceiling to 0.75.
    """
    top = float(values.max(initial=0.0)) if ceiling is None else ceiling
    share = np.clip(values / top, 0.0, 1.0) if top > 0 else np.zeros_like(values)
    level = np.rint(share * 255).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(level, SCALES[scale]), cv2.COLOR_BGR2RGBA)
    opacity = np.clip((share - CLEAR_BELOW) / (1.0 - CLEAR_BELOW), 0.0, 1.0) * (MOST_OPAQUE * 255)
    colours[..., 3] = np.rint(opacity).astype(np.uint8)
    return np.asarray(colours, dtype=np.uint8)


def overlay_png(picture: NDArray[np.float32], explanation: Explanation, scale: Scale = "inferno") -> bytes:
    """The map over the image, as an opaque colour PNG; `picture` holds display values 0..1 on the original grid.

    Raises ValueError when the picture is not rows x columns of the explanation.
    """
    header = explanation.header
    if picture.shape != (header.rows, header.columns):
        raise ValueError(f"the picture is {picture.shape}, the explanation {header.rows} x {header.columns}")
    colours = overlay(on_image(explanation), scale=scale)
    opacity = colours[..., 3:].astype(np.float32) / 255
    blended = picture[..., None] * 255 * (1 - opacity) + colours[..., :3] * opacity
    return _png(np.rint(blended).astype(np.uint8))


def clear_png(
    explanation: Explanation,
    longest_side_px: int | None = None,
    ceiling: float | None = None,
    scale: Scale = "inferno",
) -> bytes:
    """The map alone as a PNG with an alpha channel, as on_image() and overlay() give it; for pages that show both."""
    return _png(overlay(on_image(explanation, longest_side_px), ceiling, scale))


def _png(colours: NDArray[np.uint8]) -> bytes:
    order = cv2.COLOR_RGBA2BGRA if colours.shape[2] == 4 else cv2.COLOR_RGB2BGR
    written, content = cv2.imencode(".png", cv2.cvtColor(colours, order))
    if not written:
        raise ValueError("OpenCV could not write a PNG")
    return content.tobytes()
