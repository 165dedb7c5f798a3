"""Logits to probabilities (Platt, temperature or isotonic), and the probability from which a finding acts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from data_schemas.bundle import Calibration
from pipelines.metrics import Bools, Floats

SMALLEST_SLOPE = 1e-3
"""A slope of 0 or below would turn the order of images around."""
Scaling = Callable[[Floats, Bools], Calibration]
"""Fits logits (n,) of images with and without the finding (n,), of patients that the network did not see."""


def platt(logits: Floats, positive: Bools) -> Calibration:
    """Slope and offset of the most probable sigmoid (Platt 1999)."""
    with_it, without = int(positive.sum()), int((~positive).sum())
    columns = np.stack([logits, np.ones_like(logits)], axis=1)
    slope, offset = most_probable(columns, positive, np.array([1.0, np.log((with_it + 1) / (without + 1))]))
    if slope < SMALLEST_SLOPE:
        share = (with_it + 1) / (with_it + without + 2)
        slope, offset = SMALLEST_SLOPE, np.log(share / (1 - share))
    return Calibration(slope=float(slope), offset=float(offset))


def temperature(logits: Floats, positive: Bools) -> Calibration:
    """Slope of the most probable sigmoid through one half at a logit of 0 (Guo et al. 2017, arXiv:1706.04599)."""
    (slope,) = most_probable(logits[:, None], positive, np.ones(1))
    return Calibration(slope=max(float(slope), SMALLEST_SLOPE), offset=0.0)


def isotonic(logits: Floats, positive: Bools) -> Calibration:
    """The rising steps nearest to what was found (Zadrozny and Elkan 2002), linear between them.

    They go no nearer to 0 and 1 than Platt's smoothed targets.
    """
    lowest, highest = smoothed(positive)
    found = IsotonicRegression(y_min=lowest, y_max=highest).fit(logits, positive)
    knots = tuple(zip(found.X_thresholds_.tolist(), found.y_thresholds_.tolist(), strict=True))
    beside = platt(logits, positive)
    return Calibration(slope=beside.slope, offset=beside.offset, knots=knots)


SCALINGS: Mapping[str, Scaling] = {"platt": platt, "temperature": temperature, "isotonic": isotonic}
"""By the recipe's word."""


def smoothed(positive: Bools) -> tuple[float, float]:
    """Platt's targets for images without and with the finding: as if one more of each kind had been seen."""
    with_it, without = int(positive.sum()), int((~positive).sum())
    return 1 / (without + 2), (with_it + 1) / (with_it + 2)


def most_probable(columns: Floats, positive: Bools, weights: Floats) -> Floats:
    """Weights (k,) of the sigmoid of `columns` (n, k) for Platt's smoothed targets, by Newton's method.

    It begins with `weights`.
    """
    target = np.where(positive, *reversed(smoothed(positive)))
    for _ in range(50):
        p = sigmoid(columns @ weights)
        gradient = columns.T @ (p - target)
        curvature = (columns * (p * (1 - p))[:, None]).T @ columns + 1e-6 * np.eye(len(weights))
        step = np.linalg.solve(curvature, gradient)
        weights = weights - step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-9:
            break
    return weights


def sigmoid(z: Floats) -> Floats:
    """1 / (1 + exp(-z)) without overflow."""
    p: Floats = np.where(z >= 0, 1 / (1 + np.exp(-np.abs(z))), np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))))
    return p


def calibrated(calibration: Calibration, logits: Floats) -> Floats:
    """Probabilities of the logits; triage.models.calibration.probability is the product's, of one."""
    if calibration.knots:
        at, chances = np.array(calibration.knots).T
        through: Floats = np.interp(logits, at, chances)
        return through
    return sigmoid(calibration.slope * logits + calibration.offset)


def calibrated_by_others(logits: Floats, positive: Bools, folds: NDArray[np.int64], scaling: Scaling = platt) -> Floats:
    """Probabilities of each fold with the scaling fitted on the other folds, to judge calibration honestly."""
    result = np.empty_like(logits)
    for fold in np.unique(folds):
        here = folds == fold
        result[here] = calibrated(scaling(logits[~here], positive[~here]), logits[here])
    return result


@dataclass(frozen=True)
class OperatingPoint:
    """The probability from which a finding acts, and how it was chosen."""

    probability: float
    words: str

    def acts(self, calibration: Calibration, logits: Floats) -> Bools:
        """Which of the logits it acts on."""
        acts: Bools = calibrated(calibration, logits) >= self.probability
        return acts


def at_specificity(calibration: Calibration, logits: Floats, positive: Bools, wanted: float) -> OperatingPoint:
    """The lowest probability that leaves at least `wanted` of the images without the finding alone."""
    without = np.sort(calibrated(calibration, logits[~positive]))
    everyone = calibrated(calibration, logits)
    last_left_alone = without[min(int(np.ceil(wanted * len(without))), len(without)) - 1]
    above = everyone[everyone > last_left_alone]
    point = (float(last_left_alone) + float(above.min())) / 2 if above.size else 1.0
    words = f"leaves at least {100 * wanted:g}% of those without it alone, on out-of-fold patients"
    return OperatingPoint(point, words)
