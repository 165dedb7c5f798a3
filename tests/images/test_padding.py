"""Padding is air for a CT model, whatever value it has in the file."""

import numpy as np
import pytest
from numpy.typing import NDArray

from data_schemas.study import InstanceHeader
from triage.images.display import modality_values
from triage.images.padding import padding_as_air
from triage.images.pixels import Look, StoredPixels

ROUND = np.hypot(*(np.mgrid[:64, :64] - 31.5)) < 30


def slice_of(outside: int, inside: NDArray[np.int16], dtype: type, intercept: float, padding: int) -> StoredPixels:
    values = np.where(ROUND, inside - intercept, outside).astype(dtype)
    look = Look(intercept=intercept, padding=(padding, padding))
    uids = dict.fromkeys(("study_instance_uid", "series_instance_uid", "sop_instance_uid", "sop_class_uid"), "1")
    return StoredPixels(values, InstanceHeader(**uids, transfer_syntax_uid="1", rows=64, columns=64), look)


@pytest.mark.parametrize(
    ("outside", "dtype", "intercept"), [(0, np.int16, 0.0), (1064, np.uint16, -1024.0), (3000, np.int16, -1024.0)]
)
def test_padding_that_would_look_like_tissue_is_air(outside: int, dtype: type, intercept: float) -> None:
    inside = np.full((64, 64), 35, np.int16)
    inside[30:34, 30:34] = outside + intercept  # by chance
    found = modality_values(padding_as_air(slice_of(outside, inside, dtype, intercept, outside)))
    assert np.all(found[~ROUND] == -1000)
    assert np.all(found[ROUND] == inside[ROUND])


@pytest.mark.parametrize(("outside", "padding"), [(-2000, -2000), (-3024, -3024), (-1024, 77)])
def test_padding_as_low_as_air_or_not_there_is_left_alone(outside: int, padding: int) -> None:
    pixels = slice_of(outside, np.full((64, 64), 35, np.int16), np.int16, 0.0, padding)
    assert padding_as_air(pixels).values is pixels.values
