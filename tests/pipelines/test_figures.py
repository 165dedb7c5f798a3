import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, recall_score, roc_auc_score

from data_schemas.errors import TriageError
from pipelines.judge import evidence
from pipelines.metrics import (
    Resamples,
    at_prevalence,
    auprc,
    auroc,
    auroc_within,
    both_kinds,
    calibration_error,
    interval,
    patient_bootstrap,
    sensitivity,
    specificity,
)

SCORED = st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=60).filter(
    lambda rows: len({positive for _, positive in rows}) == 2
)


@given(SCORED)
@settings(max_examples=80, deadline=None)
def test_areas_are_those_of_scikit_learn_ties_included(rows):
    scores = np.array([score for score, _ in rows], dtype=float)
    positive = np.array([found for _, found in rows])
    assert auroc(scores, positive) == pytest.approx(roc_auc_score(positive, scores))
    assert auprc(scores, positive) == pytest.approx(average_precision_score(positive, scores))


def test_an_area_within_strata_does_not_reward_telling_the_strata():
    strata = np.array(["a"] * 50 + ["b"] * 50)
    positive = np.array(([True] * 40 + [False] * 10) + ([True] * 10 + [False] * 40))
    scores = (strata == "a").astype(float)
    assert auroc(scores, positive) > 0.75
    assert auroc_within(scores, positive, strata) == 0.5


def test_figures_without_a_side_are_no_figures():
    nobody = np.zeros(4, dtype=bool)
    assert np.isnan(auroc(np.arange(4.0), nobody)) and np.isnan(auprc(np.arange(4.0), nobody))
    assert np.isnan(sensitivity(~nobody, nobody)) and specificity(nobody, nobody) == 1
    assert np.isnan(auroc_within(np.arange(4.0), nobody, np.array(["a"] * 4)))


def measured(patients: np.ndarray, scores: np.ndarray, positive: np.ndarray):
    return patient_bootstrap(lambda i: auroc(scores[i], positive[i]), patients, seed=1, resamples=300)


def test_the_interval_holds_the_value_and_narrows_with_patients():
    random = np.random.default_rng(0)
    widths = []
    for count in (60, 600):
        positive = random.random(count) < 0.4
        scores = positive + random.normal(size=count)
        found = measured(np.arange(count).astype(str), scores, positive)
        assert 0.5 < found.low <= found.value <= found.high <= 1
        widths.append(found.high - found.low)
    assert widths[1] < widths[0] / 2


def test_copies_of_a_patients_film_do_not_narrow_the_interval():
    random = np.random.default_rng(0)
    positive = random.random(80) < 0.5
    scores, patients = positive + random.normal(size=80), np.arange(80).astype(str)
    once = measured(patients, scores, positive)
    copied = measured(np.repeat(patients, 5), np.repeat(scores, 5), np.repeat(positive, 5))
    assert copied.value == pytest.approx(once.value)
    assert copied.high - copied.low == pytest.approx(once.high - once.low, rel=0.25)


def test_the_interval_follows_from_the_seed():
    positive, scores = np.array([True, False] * 20), np.arange(40.0) % 7
    patients = np.arange(40).astype(str)
    assert measured(patients, scores, positive) == measured(patients, scores, positive)


def figures_with(
    low_of_all: float | None, low_within: float | None, low_of_view: float | None = None
) -> dict[str, object]:
    def interval(low: float | None) -> dict[str, float | None]:
        return {"value": None if low is None else low + 0.05, "low": low, "high": None if low is None else low + 0.1}

    return {
        "auroc": interval(low_of_all),
        "auroc_within_source": interval(low_within),
        "auroc_within_source_and_view": interval(low_of_view),
        "positives": 30,
        "negatives": 300,
    }


@pytest.mark.parametrize(
    ("of_all", "within", "of_view", "over"),
    [
        (0.8, 0.6, 0.7, "pairs of images of one source,"),
        (0.6, 0.8, 0.8, "all pairs of images,"),
        (0.7, None, None, "all pairs of images,"),
        (0.8, 0.7, 0.6, "pairs of images of one source and view,"),
    ],
)
def test_evidence_is_the_most_cautious_area(of_all, within, of_view, over):
    found = evidence(figures_with(of_all, within, of_view), "5-fold cross-validation by patient (200 patients)")
    lowest = min(low for low in (of_all, within, of_view) if low is not None)
    assert found.low == lowest and found.auroc == pytest.approx(lowest + 0.05)
    assert found.method.startswith(f"5-fold cross-validation by patient (200 patients), AUROC over {over}")


def test_evidence_that_cannot_be_measured_is_refused():
    with pytest.raises(TriageError, match="too few films"):
        evidence(figures_with(None, None), "3 patients")


@given(SCORED, st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_areas_of_samples_are_those_of_scikit_learn(rows, seed):
    scores = np.array([score for score, _ in rows], dtype=float)
    positive = np.array([found for _, found in rows])
    strata, patients = np.arange(len(rows)) % 2, (np.arange(len(rows)) // 2).astype(str)
    draws = Resamples.of(patients, seed=seed, resamples=12)
    images = np.arange(len(rows))
    for measure, of_samples in (
        (lambda i: roc_auc_score(positive[i], scores[i]), draws.auroc(scores, positive)),
        (lambda i: average_precision_score(positive[i], scores[i]), draws.auprc(scores, positive)),
        (lambda i: auroc_within(scores[i], positive[i], strata[i]), draws.auroc_within(scores, positive, strata)),
        (lambda i: recall_score(positive[i], scores[i] > 0), draws.sensitivity(scores > 0, positive)),
        (lambda i: specificity(scores[i] > 0, positive[i]), draws.specificity(scores > 0, positive)),
        (lambda i: brier_score_loss(positive[i], scores[i] / 10 + 0.5), draws.brier(scores / 10 + 0.5, positive)),
    ):
        samples = [np.repeat(images, times) for times in draws.weights]
        kept = [i for i in samples if both_kinds(positive[i])]
        drawn = np.array([measure(i) for i in kept])
        # Samples of one kind have no area, but a share and a Brier score may still be there.
        if len(kept) == len(samples) and np.isfinite(drawn).all():
            expected = interval(measure(images), drawn)
            assert (of_samples.low, of_samples.high) == pytest.approx((expected.low, expected.high))


def test_samples_draw_whole_patients():
    patients = np.array(["a", "b", "a", "c", "b", "a"])
    weights = Resamples.of(patients, seed=3, resamples=50).weights
    assert (weights[:, 0] == weights[:, 2]).all() and (weights[:, 0] == weights[:, 5]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all() and weights.std() > 0


def test_values_of_a_flag_follow_bayes_rule():
    ppv, npv = at_prevalence(np.array([0.9]), np.array([0.8]), 0.1)
    # of 1,000: 90 of 100 with it flagged, 180 of 900 without
    assert ppv[0] == pytest.approx(90 / 270) and npv[0] == pytest.approx(720 / 730)
    never, _ = at_prevalence(np.array([0.0]), np.array([1.0]), 0.1)
    assert np.isnan(never[0])


def test_calibration_error_of_samples_keeps_the_bins_of_all():
    random = np.random.default_rng(0)
    stated = random.random(400)
    positive = random.random(400) < stated**2
    draws = Resamples.of(np.arange(400).astype(str), seed=0, resamples=200)
    found = draws.calibration_error(stated, positive)
    assert found.value == pytest.approx(calibration_error(stated, positive))
    assert found.low <= found.value <= found.high and found.high - found.low < 0.15


@given(st.permutations(range(12)))
@settings(max_examples=20, deadline=None)
def test_of_images_that_are_equally_probable_the_order_does_not_matter(order):
    stated, positive = np.array([0.2] * 6 + [0.5] * 6), np.arange(12) % 2 == 0
    assert calibration_error(stated, positive, bins=4) == pytest.approx(0.15)
    assert calibration_error(stated[order], positive[order], bins=4) == pytest.approx(0.15)


def test_what_averaging_gains_is_the_difference_of_the_areas():
    random = np.random.default_rng(0)
    labels = (random.random((300, 2)) < 0.4).astype(float)
    labels[::7, 1] = np.nan
    weak, strong = (np.nan_to_num(labels) * much + random.normal(size=labels.shape) for much in (0.5, 2.0))
    draws = Resamples.of(np.arange(300).astype(str), seed=0, resamples=100)
    known = ~np.isnan(labels[:, 1])
    areas = [
        (auroc(x[:, 0], labels[:, 0] == 1) + auroc(x[known, 1], labels[known, 1] == 1)) / 2 for x in (weak, strong)
    ]
    found = draws.auroc_gain(weak, strong, labels)
    assert found.value == pytest.approx(areas[1] - areas[0])
    assert 0 < found.low < found.value < found.high
    nothing = draws.auroc_gain(weak, weak, labels)
    assert (nothing.low, nothing.value, nothing.high) == (0, 0, 0)
