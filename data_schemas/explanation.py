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
    """The image; of a series the slice on which the finding is most probable."""
    series_instance_uid: str = ""
    """Set where the map has one plane for each slice of a series."""
    driving: int = 0
    """Of a series, which of the planes is that slice's."""
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
    """The map itself: float32, rows x columns of its own small grid, zero or above, in the method's own unit.

    Of a series (slices, rows, columns), slices in the order of the series' screening; `to_image` leads each plane to
    its slice.
    """

    header: ExplanationHeader
    values: NDArray[np.float32]

    def plane(self, place: int | None = None) -> "Explanation":
        """One slice's map of a series', the one that drove the score unless given; an image's map is its own.

        Raises IndexError.
        """
        if self.values.ndim == 2:
            return self
        return Explanation(self.header, self.values[self.header.driving if place is None else place])
