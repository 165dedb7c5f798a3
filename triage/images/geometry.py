"""Affine maps between pixel grids, and the upright of a frontal radiograph.

Grids: x counts columns, y rows; pixel centres are whole numbers, so an image covers -0.5 to side - 0.5.
"""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from data_schemas.explanation import Affine
from data_schemas.study import InstanceHeader

IDENTITY: Affine = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


def compose(outer: Affine, inner: Affine) -> Affine:
    """The map that applies `inner` first, then `outer`."""
    (a, b, c), (d, e, f) = outer
    (g, h, i), (j, k, m) = inner
    return (
        (a * g + b * j, a * h + b * k, a * i + b * m + c),
        (d * g + e * j, d * h + e * k, d * i + e * m + f),
    )


def invert(affine: Affine) -> Affine:
    """The way back. Raises ValueError for a map that squashes the plane."""
    (a, b, c), (d, e, f) = affine
    determinant = a * e - b * d
    if determinant == 0:
        raise ValueError(f"{affine} cannot be inverted")
    p, q, r, s = e / determinant, -b / determinant, -d / determinant, a / determinant
    return ((p, q, -(p * c + q * f)), (r, s, -(r * c + s * f)))


def apply(affine: Affine, x: float, y: float) -> tuple[float, float]:
    """The point (x, y) in the other grid."""
    (a, b, c), (d, e, f) = affine
    return a * x + b * y + c, d * x + e * y + f


@dataclass(frozen=True)
class Turn:
    """A turn by quarters with or without a mirror: swap rows and columns first, then flip."""

    transpose: bool
    flip_rows: bool
    flip_columns: bool
    rows: int
    columns: int
    """Size of the image before the turn."""

    def apply(self, values: NDArray[Any]) -> NDArray[Any]:
        """The turned image as a view, rows x columns (x samples)."""
        turned = values.swapaxes(0, 1) if self.transpose else values
        if self.flip_rows:
            turned = turned[::-1]
        return turned[:, ::-1] if self.flip_columns else turned

    @property
    def to_image(self) -> Affine:
        """From the turned grid back to the grid before the turn."""
        height, width = (self.columns, self.rows) if self.transpose else (self.rows, self.columns)
        x = (-1.0, 0.0, width - 1.0) if self.flip_columns else (1.0, 0.0, 0.0)
        y = (0.0, -1.0, height - 1.0) if self.flip_rows else (0.0, 1.0, 0.0)
        return (y, x) if self.transpose else (x, y)


OPPOSITE = {"L": "R", "R": "L", "P": "A", "A": "P", "F": "H", "H": "F"}


def turn_to(along: tuple[str, str], wanted: tuple[str, str], rows: int, columns: int) -> Turn:
    """The turn after which rows lead to `wanted[0]` and columns to `wanted[1]`.

    `along`: where rows, then columns lead now, each one letter of L, R, P, A, F, H (PS3.3 C.7.6.1.1.1). Where they do
    not lie along the wanted axes, nothing is turned.
    """
    axes = [{letter, OPPOSITE[letter]} for letter in wanted]
    for transpose, (across, down) in ((False, along), (True, along[::-1])):
        if across in axes[0] and down in axes[1]:
            return Turn(transpose, down != wanted[1], across != wanted[0], rows, columns)
    return unturned(rows, columns)


def unturned(rows: int, columns: int) -> Turn:
    """As it is."""
    return Turn(False, False, False, rows, columns)


def upright(header: InstanceHeader, rows: int, columns: int) -> Turn:
    """The turn that shows a frontal radiograph as it is read: patient's left to the right, feet down.

    Patient Orientation (0020,0020) gives the direction of rows, then of columns; only L, R, H and F alone are believed.
    Where it is absent or says anything else, the image stays as it is. `rows`, `columns`: size of the grid to turn,
    which may be a reduced one.
    """
    return turn_to(header.patient_orientation or ("L", "F"), ("L", "F"), rows, columns)
