"""evaluation.json with curves for a small bundle: drawn answers, judged as those of a real run are."""

from pathlib import Path

import numpy as np

from data_schemas.bundle import BundleManifest, FindingSpec
from pipelines.judge import Judged, judge, write_evaluation
from pipelines.scaling import calibrated


def write_curves(directory: Path, manifest: BundleManifest) -> None:
    """The file, beside the bundle; its AUROCs are those that the manifest states."""
    findings = {finding.name: judge(drawn(finding), seed=0, resamples=60) for finding in manifest.findings}
    for finding in manifest.findings:
        evidence = finding.evidence
        area = {"value": evidence.auroc, "low": evidence.low, "high": evidence.high}
        findings[finding.name] |= {"auroc": area, "auroc_within_source": area}
    about = {"name": manifest.name, "version": manifest.version, "weights_sha256": manifest.network.weights_sha256}
    write_evaluation(directory, {"bundle": about, "findings": findings})


def drawn(finding: FindingSpec) -> Judged:
    """As many images with the finding and without it as its evidence states, two of each patient."""
    random = np.random.default_rng(2)
    count = finding.evidence.positives + finding.evidence.negatives
    positive = random.permutation(count) < finding.evidence.positives
    logits = random.normal(size=count) + 1.4 * positive - 0.6
    probabilities, everywhere = calibrated(finding.calibration, logits), np.full(count, "drawn")
    return Judged(
        finding=finding.name,
        logits=logits,
        probabilities=probabilities,
        acts=probabilities >= finding.operating_point,
        positive=positive,
        images=np.arange(count).astype(str),
        patients=np.array([f"p{number // 2}" for number in range(count)]),
        sources=everywhere,
        views=everywhere,
        read_again=positive,
        calibration=finding.calibration,
    )
