import numpy as np
import pytest

from pipelines.augment import changed
from pipelines.recipe import Augment

NOTHING = Augment(
    turn_deg=0,
    scale=0,
    aspect=0,
    shift=0,
    mirror=0,
    gamma=0,
    contrast=0,
    brightness=0,
    uneven=0,
    blur=0,
    sharpen=0,
    coarser=0,
    noise=0,
)


@pytest.fixture
def picture() -> np.ndarray:
    values = np.zeros((96, 128), np.uint8)
    values[24:72, 20:60] = 140
    values[40:50, 90:110] = 220
    return values


def test_a_spec_that_changes_nothing_changes_nothing(picture):
    assert np.array_equal(changed(picture, NOTHING, np.random.default_rng(0)), picture)


def test_equal_generators_give_equal_pictures_and_others_do_not(picture):
    one, same, other = (changed(picture, Augment(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert one.shape == picture.shape and one.dtype == np.uint8


def test_mirrored_only(picture):
    spec = NOTHING.model_copy(update={"mirror": 1.0})
    assert np.array_equal(changed(picture, spec, np.random.default_rng(0)), picture[:, ::-1])


@pytest.mark.parametrize("name", ["gamma", "contrast", "brightness", "uneven", "blur", "sharpen", "coarser", "noise"])
def test_air_stays_black_where_it_must(picture, name):
    on = {"gamma": 0.4, "contrast": 0.3, "brightness": 0.1, "uneven": 0.3}.get(name, 1.0)
    spec = NOTHING.model_copy(update={name: on, "black_stays": True})
    random = np.random.default_rng(3)
    pictures = [changed(picture, spec, random) for _ in range(8)]
    assert any(not np.array_equal(one, picture) for one in pictures)
    assert all((one[picture == 0] == 0).all() for one in pictures)


def test_geometry_moves_and_keeps_the_size(picture):
    spec = NOTHING.model_copy(update={"turn_deg": 15.0, "shift": 0.1})
    moved = changed(picture, spec, np.random.default_rng(2))
    assert moved.shape == picture.shape
    assert abs(int((moved > 60).sum()) - int((picture > 60).sum())) < 0.3 * (picture > 60).sum()
    assert not np.array_equal(moved, picture)
