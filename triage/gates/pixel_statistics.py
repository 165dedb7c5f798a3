"""Do the pixels hold a picture at all?"""

import numpy as np
from numpy.typing import NDArray

from data_schemas.gate import GateResult
from triage.gates.verdicts import marked, passed, stopped

NEARLY_ALL = 0.90
"""Share of pixels with one value above which there is no picture to judge; a collimated film stays well below."""
MUCH = 0.50
FEWEST_VALUES = 16
COLOURED = 24
"""Difference between the channels of a pixel, of 255, from which it has a colour; JPEG leaves less in a grey one."""
MOST_COLOURED = 0.05
"""Share of coloured pixels, such as marks and letters, up to which a picture is grey."""


def pixel_statistics_gate(values: NDArray[np.integer]) -> GateResult:
    """Stored values are not constant, not nearly all alike, and have enough grey levels.

    `values`: stored integers, rows x columns, of any integer type. Looks at every 4th pixel each way of a large image.
    """
    step = 4 if min(values.shape[:2]) >= 512 else 1
    found, counts = np.unique(values[::step, ::step], return_counts=True)
    if found.size == 1:
        return stopped("pixels", f"blank image: every pixel is {found[0]}", found[0])
    share = float(counts.max() / counts.sum())
    if share > NEARLY_ALL:
        return stopped("pixels", f"nearly blank: {share:.0%} of the pixels have one value", f"{share:.3f}")
    if found.size < FEWEST_VALUES:
        return stopped("pixels", f"only {found.size} grey levels: too few for a scan", found.size)
    if share > MUCH:
        return marked("pixels", f"{share:.0%} of the pixels have one value (clipped or masked)", f"{share:.3f}")
    return passed("pixels", f"{found.size} grey levels", found.size)


def grey_gate(values: NDArray[np.integer]) -> GateResult:
    """A picture that is stored as colour shows grey. `values`: uint8, rows x columns x 3, or grey without the last."""
    if values.ndim == 2:
        return passed("grey", "grey image")
    coloured = float((np.ptp(values[::2, ::2].astype(np.int16), axis=2) > COLOURED).mean())
    if coloured > MOST_COLOURED:
        return stopped("grey", f"a colour picture: {coloured:.0%} of its pixels have a colour", f"{coloured:.3f}")
    return passed("grey", "stored as colour, shows grey", f"{coloured:.3f}")
