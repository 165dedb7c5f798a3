"""A model that others trained becomes a bundle whose findings are all experimental until they are evaluated here."""

import math
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from data_schemas.bundle import (
    Accepts,
    BundleManifest,
    Calibration,
    FindingSpec,
    Fit,
    NetworkSpec,
    OodSpec,
    PrepareSpec,
)
from data_schemas.errors import TriageError
from data_schemas.urgency import Level
from pipelines.foreign import DENSENET121, Foreign, foreign, our_network, read_weights
from pipelines.foreign_bundle import BundleFacts, read_bundle
from pipelines.input_range import InputRange, check_range, from_to
from pipelines.whole_folder import bundle_folder
from triage.images.decode import decode
from triage.images.headers import read_header
from triage.images.opening import ReadLimits
from triage.images.pixels import StoredPixels, picture
from triage.models import ood
from triage.models.bundle import verify_bundle
from triage.models.bundle_files import write_bundle
from triage.models.cells import STRIDE
from triage.models.chain import PICTURES
from triage.models.evidence import unmeasured
from triage.models.networks import MapNetwork
from triage.models.prepare import needed_px, prepare

FEWEST_IMAGES = 20
MOST_IMAGES = 500
KEPT = 0.99
FOLDS = 5
ALIKE = 1e-3
"""Logits of different images that differ by no more than this are the same answer."""


@dataclass(frozen=True)
class Wish:
    """What a person states of the model; what is None is taken from a MONAI Bundle, where it says so."""

    name: str
    images: Path
    labels: tuple[str, ...] | None = None
    """One for each output; an empty one leaves the output out."""
    stated: InputRange | None = None
    side: int | None = None
    modalities: tuple[str, ...] = ("CR", "DX")
    body_parts: tuple[str, ...] = ("CHEST",)
    views: tuple[str, ...] = ("PA", "AP")
    min_age_years: float = 18.0
    licence: str | None = None
    origin: str = ""


def take_in(source: Path, out: Path, wish: Wish) -> BundleManifest:
    """Write the bundle of a weights file or a MONAI Bundle directory. Raises TriageError in one sentence.

    Images of the site, which need no labels, show whether the stated input range can be right and what the
    distribution gate knows as usual.
    """
    facts = read_bundle(source) if source.is_dir() else None
    weights = facts.weights if facts else foreign(read_weights(source), DENSENET121, source.name)
    labels = _labels(wish, facts, len(weights.bias), source.name)
    kept = [place for place, label in enumerate(labels) if label]
    stated = _range(wish, facts, source.name)
    spec = _prepare(wish, facts, stated)
    network = our_network(weights, kept, stated, source.name)
    inputs = read_images(wish.images, spec)
    check_range(weights.stem, torch.from_numpy(inputs) * spec.std + spec.mean, stated)
    logits, features = _scored(network, inputs)
    _require_different(logits, source.name)
    statistics, threshold = _usual(features)
    findings = tuple(_finding(labels[place], _threshold(weights, place)) for place in kept)
    manifest = _manifest(wish, facts, source, weights.layout.network, spec, findings, threshold)
    with bundle_folder(out) as part, tempfile.TemporaryDirectory() as cache:
        write_bundle(part, manifest, network, statistics, inputs[:2])
        return verify_bundle(part, Path(cache))


def _labels(wish: Wish, facts: BundleFacts | None, outputs: int, source: str) -> tuple[str, ...]:
    labels = wish.labels or (facts.labels if facts else ())
    if not labels:
        raise TriageError(f"{source} does not name its {outputs} outputs; state them with --labels, in order.")
    if len(labels) != outputs:
        raise TriageError(f"{source} has {outputs} outputs, {len(labels)} labels are stated; state one for each.")
    if not any(labels):
        raise TriageError("No label is stated; at least one output must have a name.")
    return tuple(label.strip() for label in labels)


def _range(wish: Wish, facts: BundleFacts | None, source: str) -> InputRange:
    if wish.stated is not None:
        return wish.stated
    if facts is None or facts.value_range is None:
        raise TriageError(f"{source} does not say its input range; state it with --input-range or --imagenet.")
    return from_to(*facts.value_range)


def _prepare(wish: Wish, facts: BundleFacts | None, stated: InputRange) -> PrepareSpec:
    side = wish.side or (facts.side if facts else None) or 224
    if side <= 0 or side % STRIDE:
        raise TriageError(f"An input side of {side} is no multiple of {STRIDE}; state another with --side.")
    return PrepareSpec(height=side, width=side, fit=Fit.PAD, mean=stated.mean, std=stated.std)


def read_images(folder: Path, spec: PrepareSpec) -> NDArray[np.float32]:
    """(n, channels, height, width): up to MOST_IMAGES of the folder's DICOM, PNG and JPEG files, as the product reads.

    Raises TriageError where there are too few, and whatever reading one raises.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (*PICTURES, ".dcm", ""))
    paths = [path for path in paths if path.is_file()]
    if len(paths) < FEWEST_IMAGES:
        raise TriageError(
            f"{folder.name} holds {len(paths)} DICOM, PNG or JPEG files; at least {FEWEST_IMAGES} of the kind that the "
            "model is for are needed, or it would have no gate against other images."
        )
    chosen = np.unique(np.linspace(0, len(paths) - 1, min(len(paths), MOST_IMAGES)).round().astype(int))
    return np.stack([prepare(_pixels(paths[place], spec), spec).tensor for place in chosen])


def _pixels(path: Path, spec: PrepareSpec) -> StoredPixels:
    if path.suffix.lower() in PICTURES:
        return picture(path)
    _, header = read_header(path, limits=ReadLimits())
    return decode(path, header, at_least_px=needed_px(spec))


def _scored(network: MapNetwork, inputs: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits and features of all images."""
    with torch.inference_mode():
        parts = [network(torch.from_numpy(inputs[first : first + 16])) for first in range(0, len(inputs), 16)]
    return (np.concatenate([part[0].numpy() for part in parts]), np.concatenate([part[2].numpy() for part in parts]))


def _require_different(logits: NDArray[np.float32], source: str) -> None:
    if not np.isfinite(logits).all():
        raise TriageError(f"{source} gives numbers that are not finite; its weights or its input range are wrong.")
    if float(np.ptp(logits, axis=0).max()) <= ALIKE:
        raise TriageError(f"{source} answers every image alike; its weights or its input range are wrong.")


def _usual(features: NDArray[np.float32]) -> tuple[ood.Statistics, float]:
    """Statistics of all images, and the distance that keeps KEPT of images that the statistics have not seen."""
    fold = np.arange(len(features)) % FOLDS
    distances = []
    for one in range(FOLDS):
        others = _statistics(features[fold != one])
        distances += [ood.distance(row, others) for row in features[fold == one]]
    return _statistics(features), float(np.quantile(distances, KEPT, method="higher"))


def _statistics(features: NDArray[np.float32]) -> ood.Statistics:
    directions = min(64, len(features) // 4)  # few images say little of many directions
    return ood.fit(features, np.zeros(len(features), dtype=int), directions=directions)


def _threshold(weights: Foreign, place: int) -> float | None:
    if weights.thresholds is None or not math.isfinite(weights.thresholds[place]):
        return None
    return min(max(weights.thresholds[place], 0.0), 1.0)


def _finding(label: str, threshold: float | None) -> FindingSpec:
    name = re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")
    if not name:
        raise TriageError(f"the label {label!r} has no letter a to z and no digit to name a finding by; rename it")
    return FindingSpec(
        name=name,
        label=label.replace("_", " "),
        calibration=Calibration(slope=1.0, offset=0.0),
        operating_point=0.5 if threshold is None else threshold,
        operating_point_chosen="not chosen: no threshold came with the weights"
        if threshold is None
        else "came with the weights",
        proposes=Level.ROUTINE,
        evidence=unmeasured("imported weights; pipelines.evaluate on local studies, then pipelines.adopt"),
    )


def _manifest(
    wish: Wish,
    facts: BundleFacts | None,
    source: Path,
    network: str,
    spec: PrepareSpec,
    findings: Sequence[FindingSpec],
    threshold: float,
) -> BundleManifest:
    title = facts.title if facts else wish.name
    said = [wish.origin, f"Imported from {source.name}, which its maker trained; not trained here."]
    return BundleManifest(
        name=wish.name,
        version=facts.version if facts else "1",
        title=title,
        purpose=f"Shows what {title} answers; every finding is experimental and changes no order.",
        not_for="any order or decision before its figures have been measured on local studies.",
        licence=wish.licence or (facts.licence if facts else "not stated; ask whoever trained the weights"),
        origin=" ".join(part for part in said if part),
        network=NetworkSpec(name=network, weights_sha256="", map_layer=""),
        accepts=Accepts(
            modalities=wish.modalities,
            body_parts=wish.body_parts,
            views=wish.views,
            min_age_years=wish.min_age_years,
        ),
        prepare=spec,
        findings=tuple(findings),
        ood=OodSpec(statistics_sha256="", threshold=threshold, kept=KEPT),
        test_vector_sha256="",
    )
