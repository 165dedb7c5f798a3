"""Logits to probabilities (Platt scaling), and the probability from which a finding acts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_schemas.bundle import Calibration
from pipelines.metrics import Bools, Floats

SMALLEST_SLOPE = 1e-3
"""A slope of 0 or below would turn the order of images around."""


def platt(logits: Floats, positive: Bools) -> Calibration:
    """Slope and offset of the most probable sigmoid (Platt 1999, with his smoothed targets), by Newton's method.

    Fit them on logits of patients that the network did not see.
    """
    with_it, without = int(positive.sum()), int((~positive).sum())
    target = np.where(positive, (with_it + 1) / (with_it + 2), 1 / (without + 2))
    columns = np.stack([logits, np.ones_like(logits)], axis=1)
    weights = np.array([1.0, np.log((with_it + 1) / (without + 1))])
    for _ in range(50):
        p = sigmoid(columns @ weights)
        gradient = columns.T @ (p - target)
        curvature = (columns * (p * (1 - p))[:, None]).T @ columns + 1e-6 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        weights = weights - step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-9:
            break
    if weights[0] < SMALLEST_SLOPE:
        share = (with_it + 1) / (with_it + without + 2)
        weights = np.array([SMALLEST_SLOPE, np.log(share / (1 - share))])
    return Calibration(slope=float(weights[0]), offset=float(weights[1]))


def sigmoid(z: Floats) -> Floats:
    """1 / (1 + exp(-z)) without overflow."""
    p: Floats = np.where(z >= 0, 1 / (1 + np.exp(-np.abs(z))), np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))))
    return p


def calibrated(calibration: Calibration, logits: Floats) -> Floats:
    """Probabilities of the logits."""
    return sigmoid(calibration.slope * logits + calibration.offset)


def calibrated_by_others(logits: Floats, positive: Bools, folds: NDArray[np.int64]) -> Floats:
    """Probabilities of each fold with the scaling fitted on the other folds, to judge calibration honestly."""
    result = np.empty_like(logits)
    for fold in np.unique(folds):
        here = folds == fold
        result[here] = calibrated(platt(logits[~here], positive[~here]), logits[here])
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
    words = f"leaves at least {wanted:.0%} of those without it alone, on out-of-fold patients"
    return OperatingPoint(point, words)
