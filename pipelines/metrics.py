"""How well scores tell images with a finding from those without, with intervals that draw whole patients.

Arrays: scores float (n,), positive bool (n,), groups (n,) whole numbers or names; n images.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Measure = Callable[[Floats, Bools], float]
RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def auroc(scores: Floats, positive: Bools) -> float:
    """Probability that an image with the finding scores above one without, ties half; NaN where a side is empty."""
    with_it, without = int(positive.sum()), int((~positive).sum())
    if not with_it or not without:
        return float("nan")
    _, place, equals = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(equals) - (equals - 1) / 2)[place]  # ties share their middle rank
    return float((ranks[positive].sum() - with_it * (with_it + 1) / 2) / (with_it * without))


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
    if not positive.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits, ranked = np.cumsum(positive[order]), scores[order]
    last_of_ties = np.append(ranked[1:] != ranked[:-1], True)
    hits, taken = hits[last_of_ties], np.arange(1, len(scores) + 1)[last_of_ties]
    recall_steps = np.diff(hits, prepend=0) / hits[-1]
    return float((recall_steps * hits / taken).sum())


def sensitivity(acts: Bools, positive: Bools) -> float:
    """Share of the images with the finding that are acted on; NaN without one."""
    return float(acts[positive].mean()) if positive.any() else float("nan")


def specificity(acts: Bools, positive: Bools) -> float:
    """Share of the images without the finding that are not acted on; NaN without one."""
    return float((~acts[~positive]).mean()) if (~positive).any() else float("nan")


def calibration_error(probabilities: Floats, positive: Bools, bins: int = 10) -> float:
    """Expected calibration error over bins of equal size: mean gap of stated and found share, weighted by images."""
    parts = [part for part in np.array_split(np.argsort(probabilities, kind="stable"), bins) if len(part)]
    gaps = [len(part) * abs(float(probabilities[part].mean() - positive[part].mean())) for part in parts]
    return float(sum(gaps) / max(len(probabilities), 1))


def patient_bootstrap(
    measure: Callable[[NDArray[np.intp]], float],
    patients: NDArray[np.str_],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Interval:
    """`measure` of all images, and the 2.5 and 97.5 percentiles over samples of whole patients with replacement.

    `measure` takes the indices of images, some more than once. Samples where it is NaN are left out; without any
    other the bounds are NaN. The interval is widened, where it must be, to hold the value itself.
    """
    names, index = np.unique(patients, return_inverse=True)
    order = np.argsort(index, kind="stable")
    starts = np.searchsorted(index[order], np.arange(len(names) + 1))
    images = [order[starts[i] : starts[i + 1]] for i in range(len(names))]
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(resamples):
        chosen = random.integers(0, len(names), len(names))
        drawn.append(measure(np.concatenate([images[i] for i in chosen])))
    value = measure(np.arange(len(patients)))
    kept = np.array([v for v in drawn if np.isfinite(v)])
    if not kept.size or not np.isfinite(value):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.percentile(kept, (2.5, 97.5))
    return Interval(value, min(float(low), value), max(float(high), value))
