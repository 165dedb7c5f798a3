"""What a recipe gives on patients that it did not see: out-of-fold logits and distances, fold by fold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipelines.fit import Rows, Watch
from triage.models import ood
from triage.models.networks import MapNetwork

Way = tuple[ood.Method, int]
"""How far is measured: method and number of directions."""
WAYS: tuple[Way, ...] = (("residual", 16), ("residual", 64), ("residual", 192), ("relative", 64))
"""Ways that are tried."""
Curves = Callable[[int, int, float, NDArray[np.float32], NDArray[np.float32]], None]
"""Told after each epoch: fold, epoch, training loss, logits and labels (images, findings) of the fold's own images."""


@dataclass(frozen=True)
class OutOfFold:
    """One recipe's answers to every image, given by the network that did not see the image's patient."""

    logits: NDArray[np.float64]
    """(images, findings)"""
    distances: Mapping[Way, NDArray[np.float64]]
    """(variants, images): distance of each from the images of other patients; variant 0 is the image as it is."""
    averaged: NDArray[np.float64]
    """(images, findings): mean logit of the image and of its changed copies (test-time augmentation)."""


class Fitter(Protocol):
    """One way of fitting a network to some images of a run, and of asking it about others."""

    @property
    def variants(self) -> int:
        """How many there are of each image; number 0 is the image as it is."""

    def fit(self, rows: Rows, watch: Watch | None = None) -> MapNetwork:
        """A network fitted to these images, evaluating."""

    def painted(self, rows: Rows, variant: int) -> NDArray[np.bool_]:
        """(n,): which of these images' variants show a finding that the image does not have."""

    def outputs(self, network: MapNetwork, rows: Rows, variant: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits (n, findings) and features (n, k) of one variant of these images."""


def cross_validate(
    fitter: Fitter,
    rows: Rows,
    labels: NDArray[np.float32],
    folds: NDArray[np.int64],
    patients: NDArray[np.str_],
    folder: Path,
    curves: Curves,
) -> OutOfFold:
    """Fits per fold to the images of the other folds. Images are judged as the product does.

    `labels` (n, findings), `folds` (n,) and `patients` (n,) are those of the images `rows`; of a patient who is in a
    fold, nothing is learnt for it, also where folds are not by patient. A fold that `folder` holds from an earlier run
    is not fitted again.
    """
    logits, averaged = np.full(labels.shape, np.nan), np.full(labels.shape, np.nan)
    distances = {way: np.full((fitter.variants, len(rows)), np.nan) for way in WAYS}
    for fold in np.unique(folds):
        held = folds == fold
        path = folder / f"fold_{fold}.npz"
        answer = read_fold(path, rows[held])
        if answer is None:
            taught = ~np.isin(patients, patients[held])
            answer = one_fold(fitter, rows, labels, held, taught, curves, int(fold))
            write_fold(path, rows[held], answer)
        logits[held], averaged[held] = answer["logits"], answer["averaged"]
        for way in WAYS:
            distances[way][:, held] = answer[file_name(way)]
    return OutOfFold(logits, distances, averaged)


def one_fold(
    fitter: Fitter,
    rows: Rows,
    labels: NDArray[np.float32],
    held: NDArray[np.bool_],
    taught: NDArray[np.bool_],
    curves: Curves,
    fold: int,
) -> dict[str, NDArray[np.float64]]:
    """Logits (held, findings), as they are and averaged over variants, and by each way distances (variants, held).

    All of the images `held`, by a network fitted to those `taught`.
    """

    def watch(epoch: int, training_loss: float, network: MapNetwork) -> None:
        curves(fold, epoch, training_loss, fitter.outputs(network, rows[held], 0)[0], labels[held])

    network = fitter.fit(rows[taught], watch)
    answers = [fitter.outputs(network, rows[held], number) for number in range(fitter.variants)]
    _, known = fitter.outputs(network, rows[taught], 0)
    logits = np.stack([each for each, _ in answers]).astype(np.float64)
    same = ~np.stack([fitter.painted(rows[held], number) for number in range(fitter.variants)])
    averaged = (logits * same[..., None]).sum(axis=0) / same.sum(axis=0)[:, None]
    told: dict[str, NDArray[np.float64]] = {"logits": logits[0], "averaged": averaged}
    for way in WAYS:
        statistics = statistics_of(known, labels[taught], way)
        told[file_name(way)] = np.array([[ood.distance(row, statistics) for row in each] for _, each in answers])
    return told


def file_name(way: Way) -> str:
    """A way as the name of an array."""
    return f"{way[0]} {way[1]}"


def read_fold(path: Path, held: Rows) -> dict[str, NDArray[np.float64]] | None:
    """What an earlier run found for these images; None where there is none, or not all that is asked for now."""
    if not path.is_file():
        return None
    with np.load(path) as content:
        found = {name: content[name] for name in content.files}
    return found if "averaged" in found and np.array_equal(found.pop("rows"), held) else None


def write_fold(path: Path, held: Rows, answer: Mapping[str, NDArray[np.float64]]) -> None:
    """Sets a fold's answers down, complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, allow_pickle=False, rows=held, **answer)
    part.replace(path)


def statistics_of(features: NDArray[np.float32], labels: NDArray[np.float32], way: Way) -> ood.Statistics:
    """Statistics of training features; classes are images with and without any finding."""
    some_finding = (labels == 1).any(axis=1).astype(np.int64)
    return ood.fit(features, some_finding, method=way[0], directions=way[1])
