"""What a recipe gives on patients that it did not see: out-of-fold logits and distances, fold by fold."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.fit import Images, Recipe, Tail, fit_head, fit_tail, outputs
from triage.models import ood
from triage.models.networks import MapNetwork

Way = tuple[ood.Method, int]
"""How far is measured: method and number of directions."""
WAYS: tuple[Way, ...] = (("residual", 16), ("residual", 64), ("residual", 192), ("relative", 64))
"""Ways that are tried."""
Said = Callable[[str], None]


@dataclass(frozen=True)
class OutOfFold:
    """One recipe's answers to every image, given by the network that did not see the image's patient."""

    logits: NDArray[np.float64]
    """(images, findings)"""
    distances: Mapping[Way, NDArray[np.float64]]
    """(variants, images): distance of each from the images of other patients; variants as in pipelines.fit.variant."""


def fitted(
    network: MapNetwork, images: Images, recipe: Recipe, device: str, *, move_tail: bool
) -> tuple[MapNetwork, Tail]:
    """A copy of the network with its head fitted to the images, and after it its last blocks where wanted.

    The tail is a view of that copy's last blocks and head.
    """
    whole = copy.deepcopy(network).to(device).eval()
    tail = Tail(whole).eval()
    fit_head(tail, images, recipe, device)
    if move_tail:
        fit_tail(tail, images, recipe, device)
    return whole, tail


def cross_validate(
    network: MapNetwork,
    images: Images,
    folds: NDArray[np.int64],
    recipe: Recipe,
    device: str,
    said: Said,
    *,
    move_tail: bool,
) -> OutOfFold:
    """Fits a copy of `network` per fold to the images of the other folds. Images are judged as the product does."""
    logits = np.full(images.labels.shape, np.nan)
    distances = {way: np.full(images.activations.shape[:2], np.nan) for way in WAYS}
    for fold in np.unique(folds):
        held, seen = folds == fold, folds != fold
        _, tail = fitted(network, images.of(seen), recipe, device, move_tail=move_tail)
        answers = [outputs(tail, variant[held], recipe.batch, device) for variant in images.activations]
        logits[held] = answers[0][0]
        _, known = outputs(tail, images.activations[0][seen], recipe.batch, device)
        for way in WAYS:
            statistics = statistics_of(known, images.labels[seen], way)
            for variant, (_, features) in enumerate(answers):
                distances[way][variant, held] = [ood.distance(row, statistics) for row in features]
        what = "last blocks and head" if move_tail else "head"
        said(f"fold {int(fold) + 1} of {len(np.unique(folds))}, {what}: done")
    return OutOfFold(logits, distances)


def statistics_of(features: NDArray[np.float32], labels: NDArray[np.float32], way: Way) -> ood.Statistics:
    """Statistics of training features; classes are images with and without any finding."""
    some_finding = (labels == 1).any(axis=1).astype(np.int64)
    return ood.fit(features, some_finding, method=way[0], directions=way[1])
