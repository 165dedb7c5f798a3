import cv2
import numpy as np
import pytest

from data_schemas.explanation import Affine, Explanation, ExplanationHeader
from data_schemas.score import BundleIdentity
from triage.explain.drawing import SCALES, Scale, clear_png, on_image, overlay, overlay_png


def explanation(values: np.ndarray, to_image: Affine, rows: int, columns: int) -> Explanation:
    header = ExplanationHeader(
        sop_instance_uid="1.2.1.1",
        finding="effusion",
        method="gradcam",
        parameters={},
        bundle=BundleIdentity(name="tiny", version="0", weights_sha256=""),
        rows=rows,
        columns=columns,
        to_image=to_image,
    )
    return Explanation(header, values.astype(np.float32))


def one_hot_cell() -> Explanation:
    """A 5 x 4 map whose cell in row 1, column 3 lies on row 40, column 95 of a 101 x 127 image."""
    values = np.zeros((5, 4))
    values[1, 3] = 2.0
    return explanation(values, ((30.0, 0.0, 5.0), (0.0, 20.0, 20.0)), 101, 127)


def test_the_strongest_pixel_is_where_the_cell_looks() -> None:
    drawn = on_image(one_hot_cell())
    assert drawn.shape == (101, 127)
    assert drawn.dtype == np.float32
    assert np.unravel_index(drawn.argmax(), drawn.shape) == (40, 95)
    assert drawn.max() == 2.0
    assert drawn[40, 80] == pytest.approx(1.0)
    assert drawn[30, 95] == pytest.approx(1.0)


def test_a_turned_map_is_drawn_turned() -> None:
    values = np.zeros((2, 4))
    values[0, 2] = 1.0
    # x of the map runs up the image, y of the map runs left
    drawn = on_image(explanation(values, ((0.0, -10.0, 15.0), (-10.0, 0.0, 24.0)), 30, 20))
    assert np.unravel_index(drawn.argmax(), drawn.shape) == (4, 15)


def test_a_smaller_drawing_covers_the_same_area() -> None:
    small = on_image(one_hot_cell(), longest_side_px=64)
    assert small.shape == (51, 64)
    row, column = np.unravel_index(small.argmax(), small.shape)
    assert (row + 0.5) / 51 == pytest.approx(40.5 / 101, abs=0.02)
    assert (column + 0.5) / 64 == pytest.approx(95.5 / 127, abs=0.02)
    assert on_image(one_hot_cell(), longest_side_px=4000).shape == (101, 127)


def lightness(colours: np.ndarray) -> np.ndarray:
    """CIE L* of RGB rows."""
    return cv2.cvtColor((colours[None] / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[0, :, 0]


@pytest.mark.parametrize("scale", SCALES)
def test_scales_rise_evenly_in_lightness(scale: Scale) -> None:
    colours = overlay(np.linspace(0, 1, 256, dtype=np.float32)[None], scale=scale)[0, :, :3]
    steps = np.diff(lightness(colours)[::16])
    assert (steps > 0).all()
    assert steps.std() < 0.35 * steps.mean()


def test_the_low_end_is_clear_and_opacity_rises() -> None:
    coloured = overlay(np.linspace(0, 1, 101, dtype=np.float32)[None])
    opacity = coloured[0, :, 3].astype(int)
    assert (opacity[:6] == 0).all()
    assert (np.diff(opacity) >= 0).all()
    assert opacity[-1] == round(0.75 * 255)


def test_a_map_of_zeros_is_clear() -> None:
    assert (overlay(np.zeros((4, 5), dtype=np.float32))[..., 3] == 0).all()


def test_a_common_ceiling_makes_maps_comparable() -> None:
    weak = overlay(np.full((1, 1), 1.0, dtype=np.float32), ceiling=4.0)
    strong = overlay(np.full((1, 1), 4.0, dtype=np.float32), ceiling=4.0)
    assert weak[0, 0, 3] < strong[0, 0, 3]


def decoded(png: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(png, dtype=np.uint8), cv2.IMREAD_UNCHANGED)


def test_the_overlay_leaves_the_image_alone_where_the_map_is_low() -> None:
    picture = np.random.default_rng(2).random((101, 127), dtype=np.float32)
    image = decoded(overlay_png(picture, one_hot_cell()))
    assert image.shape == (101, 127, 3)
    grey = np.rint(picture * 255).astype(np.uint8)
    np.testing.assert_array_equal(image[:, :60], np.repeat(grey[:, :60, None], 3, axis=2))
    assert np.ptp(image[40, 95].astype(int)) > 20


def test_the_map_alone_is_a_png_with_opacity() -> None:
    image = decoded(clear_png(one_hot_cell(), longest_side_px=64))
    assert image.shape == (51, 64, 4)
    assert image[0, 0, 3] == 0
    assert image[..., 3].max() > 150


def test_a_picture_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="101 x 127"):
        overlay_png(np.zeros((100, 127), dtype=np.float32), one_hot_cell())
