"""Where the cells of a class activation map lie on the network's input grid, and how a map gets back onto pixels.

A cell looks at the image around the centre of its receptive field. With stride 32 that centre may be half a cell
away from the middle of the cell's share of the input (15.5): every strided layer moves it by
((kernel - 1) / 2 - padding before) pixels of its own input grid. Drawing the map edge to edge, as is usual, would
show every finding of a network with evenly padded convolutions 16 pixels of the input too far down and to the right.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_schemas.explanation import Affine
from triage.images.geometry import invert

STRIDE = 32
"""Of every network in the table; input sides must be its multiples."""


@dataclass(frozen=True)
class Cells:
    """Centre of cell (0, 0) in pixels of the network's input; the same for both axes."""

    first_centre_px: float


CELLS: Mapping[str, Cells] = {
    # SAME padding puts the odd pixel at the far edge, which would give 31; trained kernels lean the other way and undo
    # most of it. Measured: centre of the input gradients' energy, ImageNet weights, 12 chest radiographs.
    "efficientnet_lite0": Cells(18.5),
    # the same strides, padding and teacher; not measured for themselves
    "efficientnet_lite1": Cells(18.5),
    "efficientnet_lite2": Cells(18.5),
    "efficientnet_lite0_stages": Cells(18.5),
    "efficientnet_lite1_stages": Cells(18.5),
    "efficientnet_lite2_stages": Cells(18.5),
    "mobilenet_v2": Cells(18.5),
    # 7x7 and 3x3 pooling with stride 2, padded evenly: the centre stays at 0; three 2x2 poolings add 2, 4 and 8
    "densenet121": Cells(14.0),
    "densenet169": Cells(14.0),
    # padded evenly throughout: the centre stays on the first pixel
    "resnet18": Cells(0.0),
    "resnet34": Cells(0.0),
    "resnet50": Cells(0.0),
    "inception": Cells(0.0),
    # its pooling is not padded: one pixel of a grid of stride 2
    "senet": Cells(2.0),
    # as SAME padding gives; kernels trained from symmetric ones have no reason to lean
    "efficientnet_b0": Cells(31.0),
    "efficientnet_b1": Cells(31.0),
    "efficientnet_b2": Cells(31.0),
    # five 2x2 poolings: 0.5, 1, 2, 4 and 8
    "vgg16": Cells(15.5),
    # pooled by 2 at stride 2, by 4 at stride 8
    "small_cnn": Cells(13.0),
    # a token is its patch, and of the hybrid 2 x 2 cells of stride 16
    "vit": Cells(15.5),
    "cnn_transformer": Cells(8.0),
}


def cells_to_input(network: str) -> Affine:
    """From the (x, y) of a map's cells to the (x, y) of the network's input, for a network of the table."""
    first = CELLS[network].first_centre_px
    return ((float(STRIDE), 0.0, first), (0.0, float(STRIDE), first))


def span(rows: int, columns: int, onto_rows: int, onto_columns: int) -> Affine:
    """From a grid to another one that covers the same area edge to edge, such as a map reduced by area."""
    across, down = onto_columns / columns, onto_rows / rows
    return ((across, 0.0, 0.5 * across - 0.5), (0.0, down, 0.5 * down - 0.5))


def on_original(values: NDArray[Any], to_image: Affine, rows: int, columns: int) -> NDArray[np.float32]:
    """A map (h, w) drawn on the original rows x columns by linear interpolation, float32.

    `to_image` leads from the map's grid to the original grid and may scale, shift, flip and turn by quarters, which is
    all that preparing an image does. Beyond the outermost cell centres the map keeps its border value.
    Raises ValueError for an affine that shears or turns otherwise.

    Two small matrix products: exact in float32, where cv2.warpAffine rounds coordinates to 1/32 of a cell.
    """
    grid: NDArray[np.float32] = np.asarray(values, dtype=np.float32)
    (a, b, _), (c, d, _) = back = invert(to_image)
    if b == 0 and c == 0:
        down, across = _weights(rows, grid.shape[0], d, back[1][2]), _weights(columns, grid.shape[1], a, back[0][2])
    elif a == 0 and d == 0:
        grid = grid.T
        down, across = _weights(rows, grid.shape[0], b, back[0][2]), _weights(columns, grid.shape[1], c, back[1][2])
    else:
        raise ValueError(f"a map is put back only by scaling, flips and quarter turns, not by {to_image}")
    return np.asarray(down @ grid @ across.T, dtype=np.float32)


def _weights(side: int, cells: int, scale: float, shift: float) -> NDArray[np.float32]:
    """(side, cells): how much each cell counts for each pixel; every row sums to 1."""
    at = np.clip(np.arange(side) * scale + shift, 0, cells - 1)
    weights = np.maximum(0.0, 1.0 - np.abs(at[:, None] - np.arange(cells)[None, :]))
    return np.asarray(weights, dtype=np.float32)
