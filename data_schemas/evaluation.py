"""evaluation.json of `pipelines.evaluate`: how well a bundle does on a manifest, as the product itself scored it.

Figures are rounded to four places; None where there is none.
"""

from data_schemas.base import Value
from data_schemas.score import BundleIdentity


class Ranged(Value):
    """A figure with its 95 % interval over bootstrap samples of whole patients."""

    value: float | None
    low: float | None = None
    high: float | None = None


class AtPrevalence(Value):
    """What a flag means where the finding is that frequent, by Bayes' rule from sensitivity and specificity."""

    prevalence: float
    ppv: Ranged
    npv: Ranged
    flags_per_100: float | None
    """Of 100 studies that are scored."""


class GroupFigures(Value):
    """A finding within one group of patients."""

    patients: int
    positives: int
    negatives: int
    auroc: Ranged
    sensitivity: Ranged
    specificity: Ranged


class FindingFigures(Value):
    """A finding on the studies, or slices, that were scored and whose label is known."""

    label: str
    operating_point: float
    may_lift: bool
    positives: int
    negatives: int
    unknown: int
    """Scored, but not labelled for it."""
    note: str = ""
    """Why a figure is missing."""
    auroc: Ranged
    auroc_within_source: Ranged | None = None
    """Only over pairs of one source, where there are several."""
    auprc: Ranged
    sensitivity: Ranged
    """At the operating point, as the next three."""
    specificity: Ranged
    calibration_error: Ranged
    brier: Ranged
    at_prevalence: tuple[AtPrevalence, ...]
    with_stopped: GroupFigures | None = None
    """The same of every labelled study: those that a gate stopped count as scored lowest and not flagged."""
    groups: dict[str, dict[str, GroupFigures]]
    """By sex, age, view and source where there are several: name of the group to its figures."""


class LevelFigures(Value):
    """All findings, of studies or of slices."""

    count: int
    """Scored studies or slices."""
    patients: int
    findings: dict[str, FindingFigures]


class Stopped(Value):
    """Studies that one gate stopped for one reason; numbers in the reason are written as #."""

    gate: str
    reason: str
    studies: int


class Coverage(Value):
    """What became of the manifest's studies and files."""

    rows: int
    studies: int
    scored: int
    stopped: int
    unreadable: int
    """Studies none of whose files could be read."""
    files_left_out: int
    """Missing and unreadable ones."""
    stopped_by: tuple[Stopped, ...]
    faults: tuple[str, ...]
    """The first few files that were left out, in sentences."""


class UnderChange(Value):
    """A finding on changed images beside the same images unchanged."""

    positives: int
    negatives: int
    auroc_unchanged: float | None
    auroc: float | None
    mean_change: float
    """Of the probability, in absolute value."""
    flags_changed: float
    """Share of them whose flag is another."""


class Changed(Value):
    """What one change of the images did."""

    change: str
    strength: str
    images: int
    stopped: int
    """By gates, of these images; the figures are of the others."""
    findings: dict[str, UnderChange]


class Robustness(Value):
    """Changes to a random part of the scored studies."""

    studies: int
    unit: str
    """What images were attacked."""
    changes: tuple[Changed, ...]


class Throughput(Value):
    """Of the studies that this run screened, files and headers included."""

    studies: int
    images: int
    seconds: float
    studies_per_second: float
    images_per_second: float
    threads: int
    device: str


class Evaluation(Value):
    """The whole file."""

    format: int = 1
    bundle: BundleIdentity
    triage_json_sha256: str
    manifest: str
    """The file's name."""
    manifest_sha256: str
    software: dict[str, str]
    seed: int
    resamples: int
    prevalences: tuple[float, ...]
    inputs: str
    """How pictures became DICOM files; empty where there were none."""
    coverage: Coverage
    studies: LevelFigures
    slices: LevelFigures | None = None
    """At the study's operating points; only where slices have labels of their own."""
    notes: tuple[str, ...] = ()
    robustness: Robustness | None = None
    throughput: Throughput | None = None
    """None where every score was there from an earlier run."""
