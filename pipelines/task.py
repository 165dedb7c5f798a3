"""What one bundle is trained for, as plain values and small functions; pipelines.train does the same with each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_schemas.bundle import BundleManifest, Calibration, Code, Evidence, FindingSpec, OodSpec, PrepareSpec
from data_schemas.urgency import Level
from pipelines.cohort import Case
from triage.images.pixels import StoredPixels

Grey = NDArray[np.uint8]


@dataclass(frozen=True)
class Target:
    """What one output means and what a positive one asks for."""

    label: str
    proposes: Level
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
    side: int
    """Of the network's input in pixels."""
    prepare: Callable[[int], PrepareSpec]
    """For an input of that side."""
    manifest: Callable[[int, float, tuple[FindingSpec, ...], OodSpec], BundleManifest]
    """For side, dropout, findings and distribution gate; before write_bundle fills in its hashes."""
    read: Callable[[Path], list[Case]]
    """The labelled images of a folder. Raises TriageError."""
    pixels: Callable[[Path], StoredPixels]
    """An image of that folder as it would come from its device."""
    dressed: Callable[[Grey], StoredPixels]
    """8-bit grey of anything at all as it would come from that device."""
    outside: tuple[str, ...]
    """Kinds of other images that the distribution gate must stop."""
    not_tested: str = ""
    """What the gate was not tried on."""
    pooled: int | None = None
    """Of slices: a study's logit is the mean of this many highest ones of its patient. None: each image for itself."""
