"""Blank and clipped images never reach the model."""

import numpy as np
import pytest
from numpy.typing import NDArray

from data_schemas.gate import GateOutcome
from triage.gates.pixel_statistics import grey_gate, pixel_statistics_gate


def picture() -> NDArray[np.uint16]:
    return np.random.default_rng(1).integers(0, 4096, (600, 500)).astype(np.uint16)


def with_share(share: float) -> NDArray[np.uint16]:
    values = picture()
    values[: int(600 * share)] = 0
    return values


@pytest.mark.parametrize(
    ("values", "outcome", "words"),
    [
        (picture(), GateOutcome.PASSED, "grey levels"),
        (np.full((600, 500), -7, np.int16), GateOutcome.STOPPED, "blank image: every pixel is -7"),
        (with_share(0.95), GateOutcome.STOPPED, "nearly blank: 95%"),
        (with_share(0.60), GateOutcome.MARKED, "60% of the pixels have one value"),
        ((picture() // 512).astype(np.uint8), GateOutcome.STOPPED, "only 8 grey levels"),
        (np.zeros((1, 1), np.uint8), GateOutcome.STOPPED, "blank image"),
    ],
)
def test_the_verdict_and_its_words(values: NDArray[np.integer], outcome: GateOutcome, words: str) -> None:
    result = pixel_statistics_gate(values)
    assert result.outcome is outcome
    assert words in result.sentence


def grey_in_colour() -> NDArray[np.uint8]:
    return np.repeat((picture() // 16).astype(np.uint8)[..., np.newaxis], 3, axis=2)


def test_a_grey_picture_stored_as_colour_is_grey_also_with_marks_and_the_noise_of_jpeg() -> None:
    values = grey_in_colour()
    assert grey_gate(values).outcome is GateOutcome.PASSED
    noise = np.random.default_rng(2).integers(-8, 9, values.shape)
    noisy = np.clip(values + noise, 0, 255).astype(np.uint8)
    noisy[:10, :100] = (255, 0, 0)
    assert grey_gate(noisy).outcome is GateOutcome.PASSED
    assert grey_gate(picture()).outcome is GateOutcome.PASSED


def test_a_colour_picture_is_named_with_how_much_of_it_has_a_colour() -> None:
    values = grey_in_colour()
    values[:300, :, 2] = 255 - values[:300, :, 2]
    gate = grey_gate(values)
    assert gate.outcome is GateOutcome.STOPPED
    assert gate.sentence.startswith("a colour picture: 4")
