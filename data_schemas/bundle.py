"""triage.json: the typed manifest of a bundle, which our code trusts (plain values, nothing is executed)."""

from enum import StrEnum
from itertools import pairwise

from pydantic import Field, FiniteFloat, field_validator

from data_schemas.base import Value
from data_schemas.operating_point import SetBySite
from data_schemas.urgency import Level
from data_schemas.volume import Orientation, StackFault

EVIDENCE_FLOOR = 0.70
"""A finding may lift urgency only when the lower 95 % bound of its patient-held-out AUROC is at least this."""


class NetworkSpec(Value):
    """A network by its name in our table, with plain arguments."""

    name: str
    arguments: dict[str, int | float | str | bool] = {}
    weights: str = "models/weights.safetensors"
    weights_sha256: str
    map_layer: str
    """Module whose output Grad-CAM reads: the activation after the last norm."""


class VolumeSpec(Value):
    """What a bundle wants of a series of slices, which it then scores slice by slice."""

    orientations: tuple[Orientation, ...] = (Orientation.AXIAL,)
    """Slices that lie so, turned as they are read; empty takes any, as they lie in the file."""
    min_slices: int = Field(8, ge=1)
    max_slices: int = 2000
    min_thickness_mm: float = 0.0
    max_thickness_mm: float = 100.0
    wanted_thickness_mm: float = 5.0
    """Of several series that fit, the one nearest to it is taken."""
    max_noise: float | None = None
    """Largest noise inside the body, in modality values: a sharp kernel, made for bone, has several times as much."""
    wanted_noise: float | None = None
    """Of several series that fit, those with more noise are taken only where no other does."""
    tolerates: tuple[StackFault, ...] = ()
    """Irregularities that are marked and scored all the same; others stop the series."""
    pooled: int = Field(3, ge=1)
    """The study's logit is the mean of this many highest slice logits."""


class Accepts(Value):
    """What the bundle was made for. An empty tuple accepts anything."""

    modalities: tuple[str, ...]
    body_parts: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    """Accepted View Position values; an absent one is marked, never guessed."""
    min_age_years: float = 0.0
    max_age_years: float = 150.0
    min_side_px: int = 1
    max_aspect: float = 10.0
    """Longer side over shorter side."""
    without_contrast: bool = False
    """Images for which contrast medium was given are stopped."""
    volume: VolumeSpec | None = None
    """None: single images."""


class Values(StrEnum):
    """Which numbers the network was trained on."""

    DISPLAY = "display"
    """Modality LUT, VOI LUT or window, presentation LUT and polarity applied: what a person sees, 0 to 1."""
    MODALITY = "modality"
    """In the modality's own unit, Hounsfield units for CT, through the windows that the bundle names."""


class Fit(StrEnum):
    """How the image is fitted to the network's input."""

    STRETCH = "stretch"
    """Both sides scaled to the input's, aspect not kept."""
    PAD = "pad"
    """Longer side scaled to the input's, the rest filled with zero, centred."""


class PrepareSpec(Value):
    """The preprocessing chain as plain values."""

    values: Values = Values.DISPLAY
    height: int
    width: int
    fit: Fit
    dark_border: bool = False
    """White areas at the edge of 8-bit grey, as turning a B-scan upright leaves them, become as dark as the rest."""
    low_percentile: float = 0.0
    """Percentile of the reduced image that becomes 0."""
    high_percentile: float = 100.0
    mean: float
    std: float
    """After scaling to 0..1: (value - mean) / std, the same for every channel."""
    channels: int = 1
    """The grey image is repeated; of modality values each window is a channel."""
    windows: tuple[tuple[float, float], ...] = ()
    """Centre and width of each window of modality values, which becomes 0 to 1."""


class Calibration(Value):
    """Logit to probability: sigmoid(slope * logit + offset), or through `knots` where there are any.

    Platt scaling (Platt 1999); with an offset of 0 temperature scaling, the slope being 1 / temperature (Guo et al.
    2017, arXiv:1706.04599); with knots isotonic regression (Zadrozny and Elkan 2002).
    """

    slope: float
    offset: float
    knots: tuple[tuple[FiniteFloat, FiniteFloat], ...] = Field((), exclude_if=lambda knots: not knots)
    """Logit and probability, linear between two and constant beyond the ends. Slope and offset are then only what
    Platt scaling of the same answers gives. A file without them is as it was before there were any."""

    @field_validator("knots")
    @classmethod
    def _rise(cls, knots: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        if not all(0 < probability < 1 for _, probability in knots):
            raise ValueError("a knot's probability is not between 0 and 1")
        if not all(before[0] < after[0] and before[1] <= after[1] for before, after in pairwise(knots)):
            raise ValueError("knots do not rise: each logit above the one before, no probability below it")
        return knots


class Evidence(Value):
    """Patient-held-out AUROC with its bootstrap 95 % interval; written by the pipelines, never by hand."""

    auroc: float
    low: float
    high: float
    positives: int
    negatives: int
    method: str


class Code(Value):
    """A coded concept."""

    scheme: str
    value: str
    meaning: str


class FindingSpec(Value):
    """One output of the network."""

    name: str
    label: str
    code: Code | None = None
    calibration: Calibration
    operating_point: float = Field(ge=0.0, le=1.0)
    operating_point_chosen: str
    """How, in words: "sensitivity 0.80 on out-of-fold patients"."""
    proposes: Level | None
    """What a positive one asks for where the evidence carries it; None: nothing, by its author's choice."""
    evidence: Evidence
    set_by_site: SetBySite | None = Field(None, exclude=True)
    """Where `operating_point` is a site's own; in memory only, no file of a bundle may state it."""

    @property
    def lifts_to(self) -> Level | None:
        """The level that a positive one lifts a study to; None: it is experimental and does not affect the order."""
        return self.proposes if self.evidence.low >= EVIDENCE_FLOOR else None

    @property
    def may_lift(self) -> bool:
        """True where the evidence carries it and its author wants it."""
        return self.lifts_to is not None


class OodSpec(Value):
    """Out of distribution: relative Mahalanobis distance of pooled features (Ren et al. 2021, arXiv:2106.09022)."""

    statistics: str = "models/ood.safetensors"
    statistics_sha256: str
    threshold: float
    """Distances above it are stopped."""
    kept: float
    """Share of held-out in-distribution images at or below the threshold."""


class BundleManifest(Value):
    """The whole manifest."""

    format: int = 1
    name: str
    version: str
    title: str
    purpose: str
    not_for: str
    licence: str
    origin: str
    """Training data and starting weights, with their licences."""
    network: NetworkSpec
    accepts: Accepts
    prepare: PrepareSpec
    findings: tuple[FindingSpec, ...]
    ood: OodSpec
    test_vector: str = "models/test_vector.safetensors"
    test_vector_sha256: str
    """Input tensor and the logits it must give, through every runtime."""
