import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data_schemas.bundle import Fit, PrepareSpec
from data_schemas.study import InstanceHeader
from triage.images.display import display
from triage.images.geometry import apply
from triage.images.pixels import Look, StoredPixels, Window
from triage.models.cells import cells_to_input, on_original, span
from triage.models.prepare import needed_px, prepare, reduce_by_area


def stored(values: np.ndarray, look: Look | None = None, **header: object) -> StoredPixels:
    """Stored values as an image file would give them."""
    described = InstanceHeader.model_validate(
        {
            "study_instance_uid": "1.2",
            "series_instance_uid": "1.2.1",
            "sop_instance_uid": "1.2.1.1",
            "sop_class_uid": "1.2.840.10008.5.1.4.1.1.1.1",
            "transfer_syntax_uid": "1.2.840.10008.1.2.1",
            "rows": values.shape[0],
            "columns": values.shape[1],
            "photometric_interpretation": "MONOCHROME2",
            "bits_allocated": 16,
            "bits_stored": 12,
            "high_bit": 11,
        }
        | header
    )
    return StoredPixels(values, described, look or Look())


def spec(**changes: object) -> PrepareSpec:
    values = {"height": 64, "width": 64, "fit": Fit.STRETCH, "mean": 0.0, "std": 1.0}
    return PrepareSpec.model_validate(values | changes)


def noise(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 4096, (rows, columns), dtype=np.uint16)


MARKS = [(0, 0), (0, -1), (-1, 0), (-1, -1)]
ORIENTATIONS = [None, ("L", "F"), ("R", "F"), ("L", "H"), ("R", "H"), ("F", "L"), ("F", "R"), ("H", "L"), ("H", "R")]


@pytest.mark.parametrize("fit", list(Fit))
@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("size", [(301, 203), (203, 302), (257, 257)])
def test_a_mark_in_any_corner_is_found_again_within_a_pixel(
    fit: Fit, orientation: tuple[str, str] | None, size: tuple[int, int]
) -> None:
    rows, columns = size
    side = 13
    for down, across in MARKS:
        top, left = (0 if down == 0 else rows - side), (0 if across == 0 else columns - side)
        values = np.zeros(size, dtype=np.uint16)
        values[top : top + side, left : left + side] = 4000
        made = prepare(stored(values, patient_orientation=orientation), spec(fit=fit, height=96, width=96))
        grid = made.tensor[0].astype(np.float64)
        y, x = (float((grid * axis).sum() / grid.sum()) for axis in np.mgrid[0:96, 0:96])
        found = apply(made.to_image, x, y)
        assert found == pytest.approx((left + (side - 1) / 2, top + (side - 1) / 2), abs=1.0)


def test_upright_image_is_what_the_network_sees() -> None:
    values = np.zeros((80, 120), dtype=np.uint16)
    values[:20, :30] = 4000  # stored left-right mirrored: rows run to the patient's right
    tensor = prepare(stored(values, patient_orientation=("R", "F")), spec()).tensor
    assert tensor[0, 4, -4] == 1.0
    assert tensor[0, 4, 4] == 0.0


def test_padding_is_black_and_centred_and_the_aspect_is_kept() -> None:
    tensor = prepare(stored(np.full((100, 50), 7, dtype=np.uint16) + noise(100, 50)), spec(fit=Fit.PAD)).tensor
    assert (tensor[0, :, :16] == 0).all()
    assert (tensor[0, :, 48:] == 0).all()
    assert (tensor[0, :, 16:48].max(axis=0) > 0).all()


def test_padding_is_black_after_normalisation() -> None:
    tensor = prepare(stored(noise(100, 50)), spec(fit=Fit.PAD, mean=0.5, std=0.25, channels=3)).tensor
    assert tensor.shape == (3, 64, 64)
    assert tensor.flags.c_contiguous
    np.testing.assert_array_equal(tensor[:, :, 0], np.float32(-2.0))
    np.testing.assert_array_equal(tensor[0], tensor[2])


def test_values_are_reduced_before_display_and_equal_display_of_the_whole_within_rounding() -> None:
    values = np.cumsum(noise(320, 256).astype(np.int64), axis=0).astype(np.float64)
    values = (values / values.max() * 4095).astype(np.uint16)
    look = Look(slope=1.0, intercept=0.0, windows=(Window(2048, 4096),))
    whole = display(stored(values, look))
    small = prepare(stored(values, look), spec(height=64, width=64, high_percentile=100)).tensor[0]
    expected = reduce_by_area(whole, 64, 64)
    expected = (expected - expected.min()) / (expected.max() - expected.min())
    np.testing.assert_allclose(small, expected, atol=2e-3)


def test_percentiles_become_zero_and_one() -> None:
    tensor = prepare(stored(noise(512, 512)), spec(low_percentile=5, high_percentile=95)).tensor
    assert tensor.min() == 0
    assert tensor.max() == 1
    assert 0.04 < (tensor == 0).mean() < 0.06


def test_a_constant_image_becomes_zero_and_not_a_number_never() -> None:
    assert (prepare(stored(np.full((90, 70), 900, dtype=np.uint16)), spec()).tensor == 0).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.uint32])
def test_every_stored_type_keeps_its_type_when_reduced(dtype: type) -> None:
    values = (noise(130, 90) // 32).astype(dtype)
    if np.issubdtype(dtype, np.signedinteger):
        values -= 64
    small = reduce_by_area(values, 32, 32)
    assert small.dtype == dtype
    assert abs(float(small.astype(float).mean()) - float(values.astype(float).mean())) < 1


def test_a_side_that_grows_keeps_its_place() -> None:
    values = np.zeros((20, 400), dtype=np.uint16)
    values[8:12, 180:220] = 4000
    made = prepare(stored(values), spec())
    grid = made.tensor[0]
    y, x = (float((grid * axis).sum() / grid.sum()) for axis in np.mgrid[0:64, 0:64])
    assert apply(made.to_image, x, y) == pytest.approx((199.5, 9.5), abs=0.6)


def test_a_reduced_read_leads_back_to_the_full_grid() -> None:
    full = stored(noise(400, 300))
    half = StoredPixels(full.values[::2, ::2], full.header, full.look, ((2.0, 0.0, 0.5), (0.0, 2.0, 0.5)))
    (a, _, c), (_, e, f) = prepare(half, spec()).to_image
    (a0, _, c0), (_, e0, f0) = prepare(full, spec()).to_image
    assert (a, c, e, f) == pytest.approx((a0, c0, e0, f0))


def test_equal_input_gives_equal_bits() -> None:
    first, second = (prepare(stored(noise(333, 222)), spec(high_percentile=99.5)).tensor for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_needed_px_leaves_three_source_pixels_for_each() -> None:
    assert needed_px(spec(height=64, width=320)) == 960


def test_a_map_of_one_cell_is_one_value_everywhere() -> None:
    drawn = on_original(np.array([[3.0]]), cells_to_input("resnet18"), 20, 30)
    assert drawn.dtype == np.float32
    np.testing.assert_array_equal(drawn, np.full((20, 30), 3.0, dtype=np.float32))


def test_a_map_keeps_its_values_at_its_cells() -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    drawn = on_original(values, span(3, 4, 15, 20), 15, 20)
    np.testing.assert_allclose(drawn[2::5, 2::5], values, atol=1e-5)


def test_a_sheared_map_is_refused() -> None:
    with pytest.raises(ValueError, match="quarter turns"):
        on_original(np.ones((2, 2)), ((1.0, 0.5, 0.0), (0.0, 1.0, 0.0)), 4, 4)


@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from(["<u2", "<i2", "u1"]),
)
@example(64, 80, 60, 48, "<i2")
@example(64, 64, 48, 48, "<u2")
@example(64, 64, 32, 48, "u1")
def test_reducing_gives_the_means_that_opencv_gives(
    rows: int, columns: int, height: int, width: int, kind: str
) -> None:
    info = np.iinfo(kind)
    values = np.random.default_rng(rows * columns).integers(info.min, info.max, (rows, columns)).astype(kind)
    shrunk = (min(width, columns), min(height, rows))
    expected = cv2.resize(values.astype(np.float64), shrunk, interpolation=cv2.INTER_AREA)
    found = reduce_by_area(values, shrunk[1], shrunk[0])
    assert found.dtype == values.dtype
    assert np.abs(found - expected).max() <= 0.51
