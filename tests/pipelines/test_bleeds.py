"""Bleeds are painted where their kind lies, brighter than brain, inside the skull, and only where there is one."""

import cv2
import numpy as np
import pytest

from pipelines import head
from pipelines.bleeds import GREY_PER_HU, KINDS, LEAST_SEEN_HU, LEAST_SEEN_PX, brain_of, paint


def drawn_head(side: int = 256) -> np.ndarray:
    """A skull around a brain with two dark ventricles and some sulci."""
    picture = np.zeros((side, side))
    middle = (side // 2, side // 2)
    cv2.ellipse(picture, middle, (88, 108), 0, 0, 360, 255.0, -1)
    cv2.ellipse(picture, middle, (78, 98), 0, 0, 360, 120.0, -1)
    for across in (-14, 14):
        cv2.ellipse(picture, (side // 2 + across, side // 2), (7, 24), 0, 0, 360, 60.0, -1)
    for turn in range(0, 360, 30):
        x, y = (side // 2 + r * f(np.deg2rad(turn)) for r, f in ((68, np.cos), (86, np.sin)))
        cv2.circle(picture, (int(x), int(y)), 5, 60.0, -1)
    noisy = picture + np.random.default_rng(0).normal(scale=4, size=picture.shape) * ((picture > 0) & (picture < 255))
    return np.clip(noisy, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def painted() -> list:
    random = np.random.default_rng(4)
    return [paint(drawn_head(), random) for _ in range(40)]


def test_every_kind_comes_up_and_can_be_seen(painted):
    before = drawn_head().astype(int)
    assert {one.kind for one in painted} == set(KINDS)
    for one in painted:
        changed = np.abs(one.values.astype(int) - before)[one.where]
        assert (changed > LEAST_SEEN_HU * GREY_PER_HU).sum() >= LEAST_SEEN_PX


def test_a_bleed_lies_in_the_brain_and_nothing_outside_it_changes(painted):
    values = drawn_head()
    brain = brain_of(values)
    assert brain is not None and 0.8 < brain.sum() / (np.pi * 78 * 98) <= 1
    for one in painted:
        assert not (one.where & ~brain).any()
        assert np.array_equal(one.values[~brain], values[~brain])


def test_fresh_blood_is_brighter_than_the_brain_around_it(painted):
    values = drawn_head()
    clots = [one for one in painted if one.kind in ("intraparenchymal", "epidural")]
    assert clots
    for one in clots:
        assert np.median(one.values[one.where]) > np.median(values[brain_of(values)])


def test_the_same_generator_paints_the_same():
    one, other = (paint(drawn_head(), np.random.default_rng(9)) for _ in range(2))
    assert np.array_equal(one.values, other.values)


def test_where_no_skull_closes_nothing_is_painted():
    opened = drawn_head()
    opened[:128] = 0
    assert paint(opened, np.random.default_rng(0)) is None
    assert head.with_bleed(opened, np.random.default_rng(0)) is None


def test_a_painted_slice_has_haemorrhage_and_its_kind():
    random = np.random.default_rng(1)
    labels = [head.with_bleed(drawn_head(), random)[1] for _ in range(20)]
    assert all(one["haemorrhage"] == 1 for one in labels)
    assert {tuple(one.values()) for one in labels} == {(1, 1, 0), (1, 0, 1), (1, 0, 0)}
