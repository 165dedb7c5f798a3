"""What a model said about an image and a study."""

from enum import StrEnum

from data_schemas.base import Value
from data_schemas.gate import GateResult
from data_schemas.operating_point import SetBySite
from data_schemas.urgency import Level, Urgency
from data_schemas.volume import VolumeFacts


class ScreeningStatus(StrEnum):
    """How a screening ended."""

    RANKED = "ranked"
    NOT_SCORED = "not scored"


class FindingScore(Value):
    """A calibrated probability beside its operating point."""

    finding: str
    label: str
    """The name a person reads."""
    probability: float
    operating_point: float
    positive: bool
    """probability >= operating_point."""
    level: Level | None
    """What a positive finding proposes; None where the evidence is too weak to affect the order (experimental)."""
    set_by_site: SetBySite | None = None
    """Where the operating point was this site's own when the study was screened; None where it was the bundle's."""


class BundleIdentity(Value):
    """Which model, to the byte."""

    name: str
    version: str
    weights_sha256: str


class ImageScreening(Value):
    """Gates and scores of one image; `scores` is empty when a gate stopped it."""

    sop_instance_uid: str
    gates: tuple[GateResult, ...]
    bundle: BundleIdentity | None
    """The bundle the gates judged for; None where no bundle reads this kind of image."""
    scores: tuple[FindingScore, ...] = ()


class VolumeSlice(Value):
    """One slice of a scored series, in order along the normal."""

    sop_instance_uid: str
    frame: int = 0
    position_mm: float
    probabilities: tuple[float, ...]
    """Of each finding on this slice alone, calibrated as the series is; in the order of the volume's `findings`."""


class VolumeScreening(Value):
    """Gates and scores of one series; `scores` is empty when a gate stopped it."""

    series_instance_uid: str
    gates: tuple[GateResult, ...]
    bundle: BundleIdentity | None
    scores: tuple[FindingScore, ...] = ()
    findings: tuple[str, ...] = ()
    """Names in the order of each slice's probabilities."""
    slices: tuple[VolumeSlice, ...] = ()
    facts: VolumeFacts | None = None
    """None where no image of the series is a slice."""
    not_taken: str = ""
    """Why another series of the study was scored instead; empty for the one that was taken."""


Judged = ImageScreening | VolumeScreening


class StudyScreening(Value):
    """The result of one pass over a study. Equal input and bundle give an equal value, `seconds` aside."""

    study_instance_uid: str
    status: ScreeningStatus
    urgency: Urgency
    images: tuple[ImageScreening, ...]
    volumes: tuple[VolumeScreening, ...] = ()
    findings: tuple[FindingScore, ...]
    """Per finding the highest probability over the images and series that were scored, most urgent first."""
    bundle: BundleIdentity | None
    images_sha256: str
    """SHA-256 over the sorted hashes of the study's files: which pixels this result speaks of."""
    software_version: str
    seconds: dict[str, float]
    """Wall time by stage: read, prepare, score, total."""

    @property
    def judged(self) -> tuple[Judged, ...]:
        """Its series, then its images."""
        return (*self.volumes, *self.images)
