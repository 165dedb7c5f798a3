"""Blank and clipped images never reach the model."""

import numpy as np
import pytest
from numpy.typing import NDArray

from data_schemas.gate import GateOutcome
from triage.gates.pixel_statistics import pixel_statistics_gate


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
