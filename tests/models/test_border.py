import numpy as np
import pytest

from pipelines.retina import dressed
from tests.models import tiny
from triage.models.border import without_white_border
from triage.models.prepare import prepare


@pytest.fixture
def scan() -> np.ndarray:
    values = np.full((100, 120), 40, np.uint8)
    values[50:56, 10:110] = 255
    return values


def test_a_white_border_becomes_dark_and_a_bright_layer_stays(scan: np.ndarray) -> None:
    bordered = scan.copy()
    bordered[:20] = 255
    cleaned = without_white_border(bordered)
    assert cleaned[:18].max() == 40
    assert np.array_equal(cleaned[30:], scan[30:])
    assert np.array_equal(without_white_border(scan), scan)
    assert bordered[0, 0] == 255


def test_all_white_and_other_depths_are_left_alone(scan: np.ndarray) -> None:
    white = np.full((40, 40), 255, np.uint8)
    assert without_white_border(white) is white
    deep = scan.astype(np.uint16)
    assert without_white_border(deep) is deep


def test_only_a_bundle_that_asks_for_it_gets_dark_borders(scan: np.ndarray) -> None:
    bordered = scan.copy()
    bordered[:20] = 255
    kept, dark = (
        prepare(dressed(bordered), tiny.manifest(dark_border=asked).prepare).tensor for asked in (False, True)
    )
    same = prepare(dressed(scan), tiny.manifest(dark_border=True).prepare).tensor
    assert np.abs(kept - dark).max() > 1
    assert np.abs(dark - same)[:, 30:].max() < 0.05
