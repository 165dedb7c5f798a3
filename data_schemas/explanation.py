"""A map of where a model looked, at network resolution, with the way back to the original pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_schemas.base import Value
from data_schemas.score import BundleIdentity

Affine = tuple[tuple[float, float, float], tuple[float, float, float]]
"""2 x 3: (x, y) in one pixel grid to (x, y) in another. x counts columns, y rows; pixel centres are whole numbers."""


class ExplanationHeader(Value):
    """Which map this is."""

    sop_instance_uid: str
    finding: str
    method: str
    """gradcam or saliency."""
    parameters: dict[str, str | int | float | bool]
    bundle: BundleIdentity
    rows: int
    columns: int
    """Size of the original image."""
    to_image: Affine
    """From the map's grid to the original image's grid."""


@dataclass(frozen=True)
class Explanation:
    """The map itself: float32, rows x columns of the map's own small grid, zero or above, in the method's own unit."""

    header: ExplanationHeader
    values: NDArray[np.float32]
