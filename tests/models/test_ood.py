import numpy as np
import pytest

from triage.models import ood

RNG = np.random.default_rng(5)
MIX = RNG.normal(size=(6, 40))
LABELS = np.arange(400) % 2
CENTRES = RNG.normal(size=(2, 6)) * 4


def in_distribution(labels: np.ndarray) -> np.ndarray:
    """Features near a 6-dimensional plane in 40 dimensions, in two clusters."""
    inner = CENTRES[labels] + RNG.normal(size=(len(labels), 6))
    return (inner @ MIX + 0.05 * RNG.normal(size=(len(labels), 40))).astype(np.float32)


TRAINING, HELD_OUT = in_distribution(LABELS), in_distribution(LABELS)


def share_stopped(statistics: ood.Statistics, strange: np.ndarray) -> float:
    threshold = np.quantile([ood.distance(row, statistics) for row in HELD_OUT], 0.99)
    return float(np.mean([ood.distance(row, statistics) > threshold for row in strange]))


def test_residual_stops_what_leaves_the_plane_of_the_training_images() -> None:
    statistics = ood.fit(TRAINING, LABELS, method="residual", directions=6)
    off_plane = HELD_OUT + RNG.normal(size=HELD_OUT.shape).astype(np.float32)
    assert share_stopped(statistics, off_plane) > 0.95


@pytest.mark.parametrize(("method", "at_least"), [("residual", 0.95), ("relative", 0.5)])
def test_both_stop_what_lies_beyond_the_classes(method: ood.Method, at_least: float) -> None:
    statistics = ood.fit(TRAINING, LABELS, method=method, directions=6)
    beyond = ((CENTRES[0] + 12 * RNG.normal(size=(100, 6))) @ MIX).astype(np.float32)
    assert share_stopped(statistics, beyond) >= at_least


@pytest.mark.parametrize("method", ["residual", "relative"])
def test_statistics_survive_their_file_exactly(method: ood.Method) -> None:
    statistics = ood.fit(TRAINING, LABELS, method=method, directions=5)
    again = ood.read_statistics(ood.write_statistics(statistics))
    assert again.method == method
    assert again.width == 40
    assert ood.distance(HELD_OUT[0], again) == pytest.approx(ood.distance(HELD_OUT[0], statistics), rel=1e-12)


def test_training_images_are_near_one() -> None:
    statistics = ood.fit(TRAINING, LABELS, directions=6)
    assert np.mean([ood.distance(row, statistics) for row in HELD_OUT]) == pytest.approx(1.0, abs=0.2)


def test_features_that_are_not_numbers_are_infinitely_far() -> None:
    statistics = ood.fit(TRAINING, LABELS, directions=6)
    broken = HELD_OUT[0].copy()
    broken[3] = np.nan
    assert ood.distance(broken, statistics) == float("inf")


def test_more_directions_than_images_are_cut_to_what_there_is() -> None:
    statistics = ood.fit(TRAINING[:10], LABELS[:10], directions=64)
    assert statistics.basis.shape == (40, 9)
    assert np.isfinite(ood.distance(HELD_OUT[0], statistics))


def test_features_of_another_network_are_refused() -> None:
    with pytest.raises(ValueError, match="features of shape"):
        ood.distance(np.zeros(41, dtype=np.float32), ood.fit(TRAINING, LABELS))


def test_too_few_images_are_refused() -> None:
    with pytest.raises(ValueError, match="fewer than 3"):
        ood.fit(TRAINING[:2], LABELS[:2])


def test_a_file_of_an_unknown_method_is_refused() -> None:
    content = ood.write_statistics(ood.fit(TRAINING, LABELS, directions=6)).replace(b'residual"}', b'residuum"}')
    with pytest.raises(ValueError, match="residuum"):
        ood.read_statistics(content)
