"""How well scores tell images with a finding from those without, with intervals that draw whole patients.

The figures are scikit-learn's, but for the calibration error, which it has not. Of the bootstrap's samples the areas
are computed here, all samples at once, for scikit-learn takes 6 ms for each, which makes twenty minutes for a bundle; a
test holds them equal to scikit-learn's.

Arrays: scores float (n,), positive bool (n,), patients (n,) names; n images or studies. `weights` (samples, n): how
often each of them is in each sample.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, recall_score, roc_auc_score

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Weights = NDArray[np.uint16]
RESAMPLES = 2000
AT_ONCE = 1_000_000
"""Weights that are taken as numbers at a time, so that memory does not grow with the samples."""


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def auroc(scores: Floats, positive: Bools) -> float:
    """Probability that an image with the finding scores above one without, ties half; NaN where a side is empty."""
    return float(roc_auc_score(positive, scores)) if both_kinds(positive) else float("nan")


def auroc_within(scores: Floats, positive: Bools, strata: NDArray[np.str_]) -> float:
    """As auroc, only over pairs of one stratum: what a score knows beyond the stratum itself. NaN without a pair."""
    total, pairs = 0.0, 0
    for stratum in np.unique(strata):
        here = strata == stratum
        count = int(positive[here].sum()) * int((~positive[here]).sum())
        if count:
            total, pairs = total + count * auroc(scores[here], positive[here]), pairs + count
    return total / pairs if pairs else float("nan")


def auprc(scores: Floats, positive: Bools) -> float:
    """Average precision: mean, over images with the finding, of the precision at their score. NaN without one."""
    return float(average_precision_score(positive, scores)) if positive.any() else float("nan")


def sensitivity(acts: Bools, positive: Bools) -> float:
    """Share of the images with the finding that are acted on; NaN without one."""
    return float(recall_score(positive, acts)) if positive.any() else float("nan")


def specificity(acts: Bools, positive: Bools) -> float:
    """Share of the images without the finding that are not acted on; NaN without one."""
    return float(recall_score(positive, acts, pos_label=False)) if (~positive).any() else float("nan")


def brier(probabilities: Floats, positive: Bools) -> float:
    """Mean squared distance of the probability from 1 or 0; NaN without an image."""
    return float(brier_score_loss(positive, probabilities)) if positive.size else float("nan")


def log_loss_of(probabilities: Floats, positive: Bools) -> float:
    """Mean negative logarithm of the probability that was given to what was found; NaN without an image."""
    return float(log_loss(positive, probabilities, labels=[False, True])) if positive.size else float("nan")


def both_kinds(positive: Bools) -> bool:
    """Whether there is an image with and one without the finding."""
    return bool(positive.any() and not positive.all())


def calibration_error(probabilities: Floats, positive: Bools, bins: int = 10) -> float:
    """Expected calibration error over bins of equal size: mean gap of stated and found share, weighted by images.

    By hand, for scikit-learn's calibration_curve does not say how many images are in its bins.
    """
    gaps = [abs(float((probabilities[part] - positive[part]).sum())) for part in equal_bins(probabilities, bins)]
    return float(sum(gaps) / max(len(probabilities), 1))


def equal_bins(probabilities: Floats, bins: int = 10) -> list[NDArray[np.intp]]:
    """Places of the images in each bin of equal size, from the least probable; those equally probable stay together.

    Where a scaling has plateaus, the order of the images would else decide which of them a bin holds.
    """
    order = np.argsort(probabilities, kind="stable")
    ordered = probabilities[order]
    lasts = [part[-1] for part in np.array_split(np.arange(len(order)), bins) if len(part)]
    ends = np.unique(np.searchsorted(ordered, ordered[lasts], side="right"))
    return np.split(order, ends[:-1]) if len(order) else []


def at_prevalence(sensitivity: Floats, specificity: Floats, prevalence: float) -> tuple[Floats, Floats]:
    """Share of flags that are right and of no flags that are right (PPV, NPV), by Bayes' rule; NaN without any."""
    right, wrong = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    left, missed = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    with np.errstate(invalid="ignore", divide="ignore"):
        return right / (right + wrong), left / (left + missed)


@dataclass(frozen=True)
class Resamples:
    """Samples of whole patients with replacement; each measure gives its interval over them."""

    weights: Weights

    @classmethod
    def of(cls, patients: NDArray[np.str_], *, seed: int, resamples: int = RESAMPLES) -> "Resamples":
        """As many patients in each sample as there are."""
        names, index = np.unique(patients, return_inverse=True)
        random, count = np.random.default_rng(seed), len(names)
        drawn = [np.bincount(random.integers(0, count, count), minlength=count) for _ in range(resamples)]
        return cls(np.array(drawn, np.uint16)[:, index])

    def parts(self) -> Iterator[Floats]:
        """Some samples at a time, as numbers."""
        step = max(1, AT_ONCE // max(self.weights.shape[1], 1))
        for start in range(0, len(self.weights), step):
            yield self.weights[start : start + step].astype(np.float64)

    def each(self, measure: Callable[[Floats], Floats]) -> Floats:
        """(samples,): `measure` turns (some samples, n) weights into one value each, NaN where there is none."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.concatenate([measure(part) for part in self.parts()])

    def auroc(self, scores: Floats, positive: Bools) -> Interval:
        """Of `auroc`."""
        return interval(auroc(scores, positive), self.each(lambda w: divided(*pairs_in_order(scores, positive, w))))

    def auroc_within(self, scores: Floats, positive: Bools, strata: NDArray[np.str_]) -> Interval:
        """Of `auroc_within`."""
        parts = [strata == stratum for stratum in np.unique(strata)]

        def measure(weights: Floats) -> Floats:
            found = [pairs_in_order(scores[here], positive[here], weights[:, here]) for here in parts]
            return divided(np.sum([right for right, _ in found], axis=0), np.sum([pairs for _, pairs in found], axis=0))

        return interval(auroc_within(scores, positive, strata), self.each(measure))

    def auroc_gain(self, scores: Floats, others: Floats, labels: Floats) -> Interval:
        """Mean over findings of the AUROC of `others` less that of `scores`; every sample judges both.

        All (n, findings); a label is 1, 0 or NaN. NaN where the labels of a finding are all of one kind.
        """
        told = [(column, ~np.isnan(column)) for column in labels.T]

        def gain(weights: Floats) -> Floats:
            found = []
            for number, (column, known) in enumerate(told):
                positive, among = column[known] == 1, weights[:, known]
                areas = [divided(*pairs_in_order(x[known, number], positive, among)) for x in (scores, others)]
                found.append(areas[1] - areas[0])
            mean: Floats = np.mean(found, axis=0)
            return mean

        return interval(float(gain(np.ones((1, len(labels))))[0]), self.each(gain))

    def auprc(self, scores: Floats, positive: Bools) -> Interval:
        """Of `auprc`."""
        return interval(auprc(scores, positive), self.each(lambda w: average_precisions(scores, positive, w)))

    def shares(self, hit: Bools, among: Bools) -> Floats:
        """(samples,): share of `among` that is `hit`."""
        return self.each(lambda w: (w @ (hit & among)) / (w @ among))

    def sensitivity(self, acts: Bools, positive: Bools) -> Interval:
        """Of `sensitivity`."""
        return interval(sensitivity(acts, positive), self.shares(acts, positive))

    def specificity(self, acts: Bools, positive: Bools) -> Interval:
        """Of `specificity`."""
        return interval(specificity(acts, positive), self.shares(~acts, ~positive))

    def brier(self, probabilities: Floats, positive: Bools) -> Interval:
        """Of `brier`."""
        squares = (probabilities - positive) ** 2
        return interval(brier(probabilities, positive), self.each(lambda w: (w @ squares) / w.sum(axis=1)))

    def calibration_error(self, probabilities: Floats, positive: Bools) -> Interval:
        """Of `calibration_error`, in the bins of all images. Samples are on average further off than the whole is."""
        bins, gaps = equal_bins(probabilities), probabilities - positive

        def measure(weights: Floats) -> Floats:
            far = np.array([np.abs(weights[:, part] @ gaps[part]) for part in bins])
            found: Floats = far.sum(axis=0) / weights.sum(axis=1)
            return found

        return interval(calibration_error(probabilities, positive), self.each(measure))


def divided(part: Floats, whole: Floats) -> Floats:
    """NaN where the whole is 0."""
    found: Floats = np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)
    return found


def tied(scores: Floats, positive: Bools, weights: Floats) -> tuple[Floats, Floats]:
    """(samples, distinct scores): how many with and without the finding have each score, lowest first."""
    order = np.argsort(scores, kind="stable")
    first = np.flatnonzero(np.append(True, scores[order][1:] != scores[order][:-1]))
    ordered = weights[:, order]
    return tuple(np.add.reduceat(ordered * kind[order], first, axis=1) for kind in (positive, ~positive))  # type: ignore[return-value]


def pairs_in_order(scores: Floats, positive: Bools, weights: Floats) -> tuple[Floats, Floats]:
    """(samples,) twice: pairs of one with and one without the finding in the right order, ties half; all pairs."""
    if not scores.size:
        return np.zeros(len(weights)), np.zeros(len(weights))
    with_it, without = tied(scores, positive, weights)
    below = np.cumsum(without, axis=1) - without / 2
    return (with_it * below).sum(axis=1), with_it.sum(axis=1) * without.sum(axis=1)


def average_precisions(scores: Floats, positive: Bools, weights: Floats) -> Floats:
    """(samples,): average precision of each sample, NaN where none has the finding."""
    if not scores.size:
        return np.full(len(weights), np.nan)
    with_it, without = (counts[:, ::-1] for counts in tied(scores, positive, weights))
    right, wrong = np.cumsum(with_it, axis=1), np.cumsum(without, axis=1)
    precision = right / np.maximum(right + wrong, 1)
    return divided((with_it * precision).sum(axis=1), right[:, -1])


def patient_bootstrap(
    measure: Callable[[NDArray[np.intp]], float],
    patients: NDArray[np.str_],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Interval:
    """`measure` of all images, and its interval over samples of whole patients with replacement.

    `measure` takes the indices of images, some more than once.
    """
    images = np.arange(len(patients))
    weights = Resamples.of(patients, seed=seed, resamples=resamples).weights
    return interval(measure(images), np.array([measure(np.repeat(images, times)) for times in weights]))


def interval(value: float, drawn: Floats) -> Interval:
    """The value between the 2.5 and 97.5 percentiles of what samples gave.

    Samples where it is NaN are left out; without any other the bounds are NaN. The interval is widened, where it must
    be, to hold the value itself.
    """
    kept = drawn[np.isfinite(drawn)]
    if not kept.size or not np.isfinite(value):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.percentile(kept, (2.5, 97.5))
    return Interval(value, min(float(low), value), max(float(high), value))
