"""The distance and threshold of the distribution gate, and what it stops."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from data_schemas.bundle import PrepareSpec
from pipelines.cross_validation import Way, statistics_of
from pipelines.judge import number, stopped_share
from pipelines.outside import Grey, Outside, for_development
from triage.images.pixels import StoredPixels
from triage.models import ood
from triage.models.networks import MapNetwork
from triage.models.prepare import prepare

Dress = Callable[[Grey], StoredPixels]
KEPT = 0.99
"""Share of images of unseen patients that the threshold keeps, also when their contrast and framing are changed."""


@dataclass(frozen=True)
class Choice:
    """The way that was chosen, and the distances that it was chosen and tested by."""

    way: Way
    threshold: float
    kept: float
    """Share of unseen patients' images, as they are."""
    kept_changed: float
    """The same with other contrast and framing, as another hospital might send them."""
    stopped_in_development: Mapping[Way, float]
    """Mean over kinds of the share stopped, of the development half."""
    kinds: NDArray[np.str_]
    """(test images,)"""
    distances: NDArray[np.float64]
    """(test images,) by the chosen way."""


def choose_way(
    network: MapNetwork,
    features: NDArray[np.float32],
    labels: NDArray[np.float32],
    out_of_fold: Mapping[Way, NDArray[np.float64]],
    strangers: Sequence[Outside],
    spec: PrepareSpec,
    device: str,
    dressed: Dress,
) -> Choice:
    """The way that stops most of the development half of `strangers` where it keeps 99 % of unseen patients' images.

    `features` are the final network's of all training images. Ways that stop equally many are told apart by how far
    beyond the threshold the nearest twentieth lies.
    The threshold keeps that share of the images as they are and of those with other contrast and framing: images of
    another hospital lie further out than those of the same one.
    """
    seen = stranger_features(network, strangers, spec, device, dressed)
    helps = for_development(strangers)
    kinds = np.array([one.kind for one in strangers])
    thresholds = {
        way: max(float(np.quantile(part, KEPT, method="higher")) for part in as_is_and_changed(found))
        for way, found in out_of_fold.items()
    }
    distances = {}
    for way in out_of_fold:
        statistics = statistics_of(features, labels, way)
        distances[way] = np.array([ood.distance(row, statistics) for row in seen])

    def stopped(way: Way) -> float:
        shares = [
            stopped_share(distances[way][helps & (kinds == kind)], thresholds[way]) for kind in np.unique(kinds[helps])
        ]
        return float(np.mean(shares))

    def margin(way: Way) -> float:
        typical = float(np.median(out_of_fold[way][0]))
        near = float(np.quantile(distances[way][helps], 0.05))
        return (near - thresholds[way]) / max(abs(thresholds[way] - typical), 1e-9)

    best = max(out_of_fold, key=lambda way: (round(stopped(way), 2), margin(way)))
    kept, kept_changed = (1 - stopped_share(part, thresholds[best]) for part in as_is_and_changed(out_of_fold[best]))
    return Choice(
        best,
        thresholds[best],
        kept,
        kept_changed,
        {way: stopped(way) for way in out_of_fold},
        kinds[~helps],
        distances[best][~helps],
    )


def as_is_and_changed(distances: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distances (variants, images) of the images as they are, and of their changed copies; of several the first is
    left out, as when the shipped thresholds were set.
    """
    changed = distances[2:] if len(distances) > 2 else distances[1:]
    return distances[0], changed.ravel()


def stranger_features(
    network: MapNetwork,
    strangers: Sequence[Outside],
    spec: PrepareSpec,
    device: str,
    dressed: Dress,
    batch: int = 32,
) -> NDArray[np.float32]:
    """(images, k): features of the images dressed like those of the bundle, through the product's preparation."""
    network = network.to(device).eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(strangers), batch):
            tensors = [prepare(dressed(one.values), spec).tensor for one in strangers[start : start + batch]]
            parts.append(network(torch.from_numpy(np.stack(tensors)).to(device))[2].cpu().numpy())
    network.cpu()
    return np.concatenate(parts)


def outside_table(choice: Choice, not_tested: str) -> dict[str, Any]:
    """The part of evaluation.json about the distribution gate: what the test half of the strangers met."""
    kinds = {
        str(kind): {
            "images": int((choice.kinds == kind).sum()),
            "stopped": number(stopped_share(choice.distances[choice.kinds == kind], choice.threshold)),
            "nearest": number(float(choice.distances[choice.kinds == kind].min())),
        }
        for kind in np.unique(choice.kinds)
    }
    return {
        "method": choice.way[0],
        "directions": choice.way[1],
        "threshold": number(choice.threshold),
        "kept_of_unseen_patients": number(choice.kept),
        "kept_of_changed_films": number(choice.kept_changed),
        "stopped_in_development": {
            f"{method} {count}": number(share) for (method, count), share in choice.stopped_in_development.items()
        },
        "stopped": kinds,
        "not_tested": not_tested,
    }
