"""Logits to calibrated probabilities beside their operating points."""

import math

import numpy as np
from numpy.typing import NDArray

from data_schemas.bundle import BundleManifest, Calibration, FindingSpec
from data_schemas.score import FindingScore


def finding_scores(manifest: BundleManifest, logits: NDArray[np.float32]) -> tuple[FindingScore, ...]:
    """The scores of one image, in the manifest's order, from its row of logits (findings,).

    Raises ValueError when the row has another length or holds a value that is not finite.
    """
    row = np.asarray(logits, dtype=np.float64)
    if row.shape != (len(manifest.findings),):
        raise ValueError(f"logits of shape {row.shape} for {len(manifest.findings)} findings")
    if not np.isfinite(row).all():
        raise ValueError("the network gave a logit that is not a finite number")
    return tuple(_score(finding, float(logit)) for finding, logit in zip(manifest.findings, row, strict=True))


def probability(calibration: Calibration, logit: float) -> float:
    """Through the knots where there are any, else sigmoid(slope * logit + offset) without overflow."""
    if calibration.knots:
        at, chances = np.array(calibration.knots).T
        return float(np.interp(logit, at, chances))
    z = calibration.slope * logit + calibration.offset
    return 1.0 / (1.0 + math.exp(-z)) if z >= 0 else math.exp(z) / (1.0 + math.exp(z))


def _score(finding: FindingSpec, logit: float) -> FindingScore:
    value = probability(finding.calibration, logit)
    return FindingScore(
        finding=finding.name,
        label=finding.label,
        probability=value,
        operating_point=finding.operating_point,
        positive=value >= finding.operating_point,
        level=finding.lifts_to,
        set_by_site=finding.set_by_site,
    )
