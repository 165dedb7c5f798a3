"""What one bundle is trained for, as plain values and small functions; pipelines.train does the same with each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_schemas.bundle import (
    BundleManifest,
    Calibration,
    Code,
    Evidence,
    FindingSpec,
    NetworkSpec,
    OodSpec,
    PrepareSpec,
)
from data_schemas.urgency import Level
from pipelines.cohort import Case
from triage.images.pixels import StoredPixels, picture

Grey = NDArray[np.uint8]


def grey_of(path: Path) -> Grey:
    """An 8-bit grey picture (rows, columns). Raises UnreadablePixels."""
    return np.asarray(picture(path).values, dtype=np.uint8)


@dataclass(frozen=True)
class Target:
    """What one output means and what a positive one asks for."""

    label: str
    proposes: Level | None
    """None: nothing, it is shown as experimental whatever its figures are."""
    specificity: float
    """Share of the images or studies without it that its operating point leaves alone."""
    code: Code | None = None

    def spec(self, name: str, calibration: Calibration, point: float, words: str, evidence: Evidence) -> FindingSpec:
        """The finding of the manifest."""
        return FindingSpec(
            name=name,
            label=self.label,
            code=self.code,
            calibration=calibration,
            operating_point=point,
            operating_point_chosen=words,
            proposes=self.proposes,
            evidence=evidence,
        )


@dataclass(frozen=True)
class Task:
    """One bundle."""

    name: str
    unit: str
    """What one training image is called: film, slice, B-scan."""
    targets: Mapping[str, Target]
    """By name, in the order of the network's outputs."""
    overall: str
    """The finding that stands for any abnormality: without it nothing should act."""
    labels: str
    """Where the labels come from, in a sentence."""
    known_limits: tuple[str, ...]
    """What is wrong with the data, for the card."""
    channels: int
    prepare: Callable[[int], PrepareSpec]
    """For an input of that side."""
    manifest: Callable[[int, NetworkSpec, tuple[FindingSpec, ...], OodSpec], BundleManifest]
    """For side, network, findings and distribution gate; before write_bundle fills in its hashes."""
    read: Callable[[Path], list[Case]]
    """The labelled images of a folder. Raises TriageError."""
    grey: Callable[[Path], Grey]
    """An image of that folder, 8-bit grey."""
    dressed: Callable[[Grey], StoredPixels]
    """8-bit grey of anything at all as it would come from the device."""
    outside: tuple[str, ...]
    """Kinds of other images that the distribution gate must stop."""
    not_tested: str = ""
    """What the gate was not tried on."""
    paint: Callable[[Grey, np.random.Generator], tuple[Grey, Mapping[str, float]] | None] | None = None
    """Paints a finding into an image that has none and gives the labels that it then has; None where it cannot."""
    pooled: int | None = None
    """Of slices: a study's logit is the mean of this many highest ones of its patient. None: each image for itself."""
