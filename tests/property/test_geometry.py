"""Affine maps and turns lose no point."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_schemas.explanation import Affine
from data_schemas.study import InstanceHeader
from triage.images.geometry import apply, compose, invert, upright

number = st.floats(-50, 50)
scale = st.floats(0.1, 20) | st.floats(-20, -0.1)


@st.composite
def affines(draw: st.DrawFn) -> Affine:
    first, second, (x, y) = draw(scale), draw(scale), (draw(number), draw(number))
    if draw(st.booleans()):
        return ((first, 0.0, x), (0.0, second, y))
    return ((0.0, first, x), (second, 0.0, y))


@given(affines(), number, number)
def test_there_and_back(affine: Affine, x: float, y: float) -> None:
    assert apply(invert(affine), *apply(affine, x, y)) == pytest.approx((x, y), abs=1e-6)


@given(affines(), affines(), number, number)
def test_composing_is_applying_one_after_the_other(outer: Affine, inner: Affine, x: float, y: float) -> None:
    assert apply(compose(outer, inner), x, y) == pytest.approx(apply(outer, *apply(inner, x, y)), rel=1e-6, abs=1e-6)


def test_a_map_that_squashes_has_no_way_back() -> None:
    with pytest.raises(ValueError, match="cannot be inverted"):
        invert(((1.0, 1.0, 0.0), (1.0, 1.0, 0.0)))


orientations = [(a, b) for a in "LRHF" for b in "LRHF" if (a in "LR") != (b in "LR")]


@pytest.mark.parametrize("orientation", orientations)
@given(rows=st.integers(1, 9), columns=st.integers(1, 9))
def test_upright_brings_left_to_the_right_and_feet_down(orientation: tuple[str, str], rows: int, columns: int) -> None:
    header = InstanceHeader(
        study_instance_uid="1",
        series_instance_uid="1",
        sop_instance_uid="1",
        sop_class_uid="1",
        transfer_syntax_uid="1",
        patient_orientation=orientation,
    )
    turn = upright(header, rows, columns)
    y, x = np.mgrid[:rows, :columns]
    # how far each pixel lies towards the patient's left and towards the feet
    signs = {"L": (1, 0), "R": (-1, 0), "F": (0, 1), "H": (0, -1)}
    along_x, along_y = signs[orientation[0]], signs[orientation[1]]
    left, feet = along_x[0] * x + along_y[0] * y, along_x[1] * x + along_y[1] * y
    turned_left, turned_feet = turn.apply(left), turn.apply(feet)
    assert (np.diff(turned_left, axis=1) == 1).all()
    assert (np.diff(turned_feet, axis=0) == 1).all()
    marked = turn.apply(np.dstack([x, y]))
    for row in range(marked.shape[0]):
        for column in range(marked.shape[1]):
            assert apply(turn.to_image, column, row) == tuple(marked[row, column])


@pytest.mark.parametrize("orientation", [None, ("A", "F"), ("L", "R"), ("LA", "F")])
def test_what_is_not_clearly_frontal_stays_as_it_is(orientation: tuple[str, str] | None) -> None:
    header = InstanceHeader(
        study_instance_uid="1",
        series_instance_uid="1",
        sop_instance_uid="1",
        sop_class_uid="1",
        transfer_syntax_uid="1",
        patient_orientation=orientation,
    )
    values = np.arange(6).reshape(2, 3)
    assert np.array_equal(upright(header, 2, 3).apply(values), values)
