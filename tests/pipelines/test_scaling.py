"""Logits become probabilities: in order, as often true as they say, and the same in the product."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_schemas.bundle import Calibration
from pipelines.metrics import brier, calibration_error, sensitivity, specificity
from pipelines.scaling import (
    SCALINGS,
    at_specificity,
    calibrated,
    calibrated_by_others,
    isotonic,
    platt,
    sigmoid,
    temperature,
)
from tests.models import tiny
from triage.models.calibration import finding_scores, probability

SCORED = st.lists(st.tuples(st.floats(-40, 40), st.booleans()), min_size=2, max_size=60)
EVERY = pytest.mark.parametrize("name", list(SCALINGS))
ROUNDING = 1e-12


def drawn(count: int, slope: float, offset: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and who has the finding: as often as that sigmoid says."""
    random = np.random.default_rng(0)
    logits = random.normal(scale=2, size=count)
    return logits, random.random(count) < sigmoid(slope * logits + offset)


def arrays(rows: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([score for score, _ in rows]), np.array([found for _, found in rows])


@EVERY
@given(SCORED, st.lists(st.floats(-60, 60), min_size=2, max_size=40))
@settings(max_examples=60, deadline=None)
def test_a_higher_logit_is_never_less_probable(name, rows, asked):
    found = SCALINGS[name](*arrays(rows))
    told = calibrated(found, np.sort(np.array(asked)))
    assert (np.diff(told) >= -ROUNDING).all()
    assert ((told >= 0) & (told <= 1)).all()


@EVERY
@given(SCORED, st.lists(st.floats(-60, 60), min_size=1, max_size=10))
@settings(max_examples=40, deadline=None)
def test_the_product_gives_the_probabilities_that_were_judged_also_from_the_file(name, rows, asked):
    found = SCALINGS[name](*arrays(rows))
    read = Calibration.model_validate_json(found.model_dump_json())
    assert [probability(read, one) for one in asked] == pytest.approx(calibrated(found, np.array(asked)), abs=ROUNDING)


@EVERY
@given(SCORED, st.sampled_from([0.5, 0.9, 0.95]))
@settings(max_examples=60, deadline=None)
def test_an_operating_point_keeps_its_word_also_on_a_plateau(name, rows, wanted):
    logits, positive = arrays([*rows, (0.0, False)])
    calibration = SCALINGS[name](logits, positive)
    point = at_specificity(calibration, logits, positive, wanted)
    acts = point.acts(calibration, logits)
    assert 0 <= point.probability <= 1
    assert specificity(acts, positive) >= wanted
    if acts.any() and not acts.all():
        assert logits[acts].min() >= logits[~acts].max()


@pytest.mark.parametrize("scaling", [platt, isotonic])
def test_scaling_finds_the_probabilities_that_made_the_labels(scaling):
    logits, positive = drawn(6000, 0.7, -1)
    found = scaling(logits, positive)
    assert found.slope == pytest.approx(0.7, abs=0.06) and found.offset == pytest.approx(-1, abs=0.08)
    assert np.abs(calibrated(found, logits) - sigmoid(0.7 * logits - 1)).mean() < 0.03
    assert calibration_error(calibrated(found, logits), positive) < 0.03
    folds = np.arange(6000) % 5
    assert calibration_error(calibrated_by_others(logits, positive, folds, scaling), positive) < 0.03


def test_temperature_finds_how_sure_the_network_is_and_not_how_often_it_is_there():
    found = temperature(*drawn(6000, 0.4, 0))
    assert found.slope == pytest.approx(0.4, abs=0.04) and found.offset == 0
    rare = temperature(*drawn(6000, 0.4, -2))
    assert probability(rare, 0.0) == 0.5


def test_isotonic_follows_a_step_that_no_sigmoid_has():
    random = np.random.default_rng(1)
    logits = random.uniform(-3, 3, 4000)
    positive = random.random(4000) < np.where(logits < 1, 0.1, 0.4)
    folds = np.arange(4000) % 5
    stated = [calibrated_by_others(logits, positive, folds, scaling) for scaling in (isotonic, platt)]
    assert brier(stated[0], positive) < brier(stated[1], positive)
    assert calibrated(isotonic(logits, positive), np.array([-2.0, 2.5])) == pytest.approx([0.1, 0.4], abs=0.06)


def test_isotonic_is_never_certain_and_platt_stands_beside_it():
    logits = np.linspace(-2, 2, 20)
    found = isotonic(logits, logits > 0)
    assert calibrated(found, np.array([-1e6, 1e6])) == pytest.approx([1 / 12, 11 / 12])
    assert (found.slope, found.offset) == (platt(logits, logits > 0).slope, platt(logits, logits > 0).offset)


@EVERY
def test_scaling_never_turns_the_order_around(name):
    logits = np.linspace(-1, 1, 40)
    found = SCALINGS[name](logits, logits < 0)
    assert found.slope > 0
    assert calibrated(found, logits).mean() == pytest.approx(0.5, abs=0.05)


@EVERY
def test_a_patients_own_label_does_not_reach_its_probability(name):
    logits, positive = drawn(300, 1, 0)
    folds = np.arange(300) % 3
    here = folds == 1
    before = calibrated_by_others(logits, positive, folds, SCALINGS[name])
    after = calibrated_by_others(logits, positive ^ here, folds, SCALINGS[name])
    assert (before[here] == after[here]).all()
    assert (before[~here] != after[~here]).any()


def test_of_the_product_a_plateau_acts_as_a_whole_or_not_at_all():
    logits = np.repeat(np.arange(6.0), 20)
    positive = np.arange(120) % 20 < np.repeat([1, 1, 8, 8, 8, 16], 20)
    calibration = isotonic(logits, positive)
    point = at_specificity(calibration, logits, positive, 0.9)
    spec = tiny.finding("mass", 0.75).model_copy(
        update={"calibration": calibration, "operating_point": point.probability}
    )
    manifest = tiny.manifest().model_copy(update={"findings": (spec,)})
    acted = [finding_scores(manifest, np.array([one], np.float32))[0].positive for one in np.arange(0, 5.5, 0.5)]
    assert acted == (point.acts(calibration, np.arange(0, 5.5, 0.5))).tolist()
    assert acted == [False] * 9 + [True] * 2
    assert sensitivity(point.acts(calibration, logits), positive) == pytest.approx(16 / 42)
