"""Holds triage.json against evaluation.json: no finding may claim more than the evaluation of these weights showed.

evaluation.json is written by training, or by pipelines.adopt from what pipelines.evaluate found. This module reads
    bundle.weights_sha256                                  the weights that it speaks of
    findings.NAME.positives, .negatives                    images, or patients where slices are pooled
    findings.NAME.auroc, .auroc_within_source, .auroc_within_source_and_view
                                                           each with value, low and high; the 95 % interval by patient
The evidence of a finding is the one of the three with the lowest bound: one that knows the source, or the view, gains
nothing by it.
"""

from pathlib import Path

from pydantic import BaseModel, ValidationError

from data_schemas.bundle import BundleManifest, Evidence, FindingSpec
from data_schemas.errors import BundleError

EVALUATION = "evaluation.json"
ROUNDING = 5e-5
"""Figures are written with four places."""


class Area(BaseModel):
    """An area under the curve with its interval; None where it could not be measured."""

    value: float | None
    low: float | None
    high: float | None


class Figures(BaseModel):
    """What the rule needs of one finding's figures."""

    positives: int
    negatives: int
    auroc: Area
    auroc_within_source: Area | None = None
    auroc_within_source_and_view: Area | None = None

    def area(self) -> tuple[str, Area] | None:
        """The most cautious of the three, with what it is over; None where none could be measured."""
        areas = {
            "all pairs of images": self.auroc,
            "pairs of images of one source": self.auroc_within_source,
            "pairs of images of one source and view": self.auroc_within_source_and_view,
        }
        measured = [(over, one) for over, one in areas.items() if one is not None and one.low is not None]
        return min(measured, key=lambda found: found[1].low or 0.0) if measured else None


class EvaluatedBundle(BaseModel):
    """The bundle that an evaluation speaks of."""

    weights_sha256: str


class Evaluation(BaseModel):
    """What the rule needs of evaluation.json; the rest of the file is not looked at."""

    bundle: EvaluatedBundle
    findings: dict[str, Figures]


def unmeasured(why: str) -> Evidence:
    """Evidence that claims nothing: any AUROC is possible, no image was looked at. The finding stays experimental."""
    return Evidence(auroc=0.5, low=0.0, high=1.0, positives=0, negatives=0, method=f"not measured: {why}")


def claims(finding: FindingSpec) -> bool:
    """True where a finding states figures: it may lift, or says that it was measured on images."""
    return finding.may_lift or finding.evidence.positives + finding.evidence.negatives > 0


def check_evidence(directory: Path, manifest: BundleManifest) -> None:
    """Raises BundleError unless evaluation.json backs every figure that triage.json claims.

    A bundle that claims nothing, such as one just imported, needs no evaluation.json.
    """
    claimed = [finding for finding in manifest.findings if claims(finding)]
    if not claimed:
        return
    path = directory / EVALUATION
    named = f"Bundle {directory.name}"
    try:
        evaluation = Evaluation.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BundleError(
            f"{named}: triage.json claims figures for {claimed[0].name}, but {EVALUATION} cannot be read "
            f"({error.strerror}); evaluate the bundle with pipelines.evaluate."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{named}: {EVALUATION}, {place or 'file'}: {first['msg']}.") from error
    weights = manifest.network.weights_sha256
    if evaluation.bundle.weights_sha256 != weights:
        raise BundleError(
            f"{named}: {EVALUATION} speaks of other weights ({evaluation.bundle.weights_sha256[:12]}... instead of "
            f"{weights[:12]}...); evaluate the bundle with pipelines.evaluate."
        )
    for finding in claimed:
        fault = _difference(finding.evidence, evaluation.findings.get(finding.name))
        if fault:
            raise BundleError(f"{named}: {finding.name}: {fault}; evaluate the bundle with pipelines.evaluate.")


def _difference(evidence: Evidence, figures: Figures | None) -> str:
    """How the evidence differs from what was measured, in words; empty where it does not."""
    found = figures.area() if figures else None
    if figures is None or found is None:
        return f"{EVALUATION} holds no AUROC for it"
    area = found[1]
    pairs = {
        "AUROC": (evidence.auroc, area.value),
        "lower bound": (evidence.low, area.low),
        "upper bound": (evidence.high, area.high),
        "number with it": (evidence.positives, figures.positives),
        "number without it": (evidence.negatives, figures.negatives),
    }
    for name, (stated, measured) in pairs.items():
        if measured is None or not abs(stated - measured) <= ROUNDING:
            return f"triage.json states {stated:g} as its {name}, {EVALUATION} {measured}"
    return ""
