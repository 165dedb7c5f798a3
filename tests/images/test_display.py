"""Stored values become what a person sees: worked out by hand from PS3.3 C.11."""

import numpy as np
import pytest

from data_schemas.study import InstanceHeader
from triage.images.display import display, modality_values
from triage.images.pixels import Look, Lut, StoredPixels, Window

ROW = np.array([[0, 100, 200, 300, 400]], np.uint16)


def shown(values: np.ndarray = ROW, window: tuple[float, float] | None = None, **look: object) -> list[float]:
    return display(pixels(values, **look), window)[0].tolist()


def pixels(values: np.ndarray, photometric: str = "MONOCHROME2", shape: str = "", **look: object) -> StoredPixels:
    header = InstanceHeader(
        study_instance_uid="1",
        series_instance_uid="1",
        sop_instance_uid="1",
        sop_class_uid="1",
        transfer_syntax_uid="1",
        photometric_interpretation=photometric,
        presentation_lut_shape=shape,
    )
    return StoredPixels(values, header, Look(**look))


def test_without_a_window_the_full_range_is_shown() -> None:
    assert shown() == [0, 0.25, 0.5, 0.75, 1]


def test_padding_does_not_widen_the_range() -> None:
    values = np.array([[0, 1000, 1100, 1200, 4095]], np.uint16)
    assert shown(values, padding=(0, 0)) == pytest.approx([0, 0, 100 / 3095, 200 / 3095, 1], abs=1e-6)


def test_linear_window() -> None:
    # PS3.3 C.11.2.1.2.1: ((x - (c - 0.5)) / (w - 1) + 0.5)
    found = shown(windows=(Window(200, 201),))
    assert found == pytest.approx([0, 0.0025, 0.5025, 1, 1], abs=1e-6)


def test_linear_exact_window() -> None:
    found = shown(windows=(Window(200, 200),), voi_function="LINEAR_EXACT")
    assert found == pytest.approx([0, 0, 0.5, 1, 1])


def test_sigmoid_window() -> None:
    found = shown(windows=(Window(200, 200),), voi_function="SIGMOID")
    assert found == pytest.approx([1 / (1 + np.exp(-4 * (x - 200) / 200)) for x in ROW[0].astype(float)])


def test_a_window_of_width_one_is_a_step() -> None:
    assert shown(windows=(Window(200, 1),)) == [0, 0, 1, 1, 1]


def test_the_readers_window_comes_before_the_files() -> None:
    assert shown(window=(200, 401), windows=(Window(50, 10),)) == pytest.approx([0.00125, 0.25125, 0.50125, 0.75125, 1])


def test_a_voi_lut_comes_before_a_window() -> None:
    lut = Lut(100, 8, np.array([255, 128, 0] + [0] * 99 + [51], np.uint16))
    assert shown(voi_luts=(lut,), windows=(Window(1, 1),)) == pytest.approx([1, 1, 0, 0.2, 0.2][:1] * 2 + [0, 0.2, 0.2])


def test_rescale_comes_before_the_window() -> None:
    found = shown(slope=2.0, intercept=-400.0, windows=(Window(0, 801),))
    assert found == pytest.approx([0.000625, 0.250625, 0.500625, 0.750625, 1], abs=1e-6)


def test_a_modality_lut_replaces_the_rescale() -> None:
    lut = Lut(0, 16, np.arange(0, 1000, 2, dtype=np.uint16))
    assert modality_values(pixels(ROW, modality_lut=lut, slope=9.0))[0].tolist() == [0, 200, 400, 600, 800]


@pytest.mark.parametrize(
    ("photometric", "shape"), [("MONOCHROME1", ""), ("MONOCHROME2", "INVERSE"), ("MONOCHROME1", "INVERSE")]
)
def test_polarity_is_inverted_once(photometric: str, shape: str) -> None:
    assert display(pixels(ROW, photometric, shape))[0].tolist() == [1, 0.75, 0.5, 0.25, 0]


def test_one_value_shows_black() -> None:
    assert shown(np.full((1, 3), 7, np.uint16)) == [0, 0, 0]


def test_colour_is_scored_by_its_luma() -> None:
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 255
    assert display(pixels(red, "RGB"))[0, 0] == pytest.approx(0.299, abs=0.005)
