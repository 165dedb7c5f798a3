"""What triage.json claims of a finding must stand in evaluation.json, or the bundle is not used."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import triage
from data_schemas.bundle import BundleManifest
from data_schemas.errors import BundleError
from tests.models import tiny
from triage.models.bundle import load_bundle, read_manifest
from triage.models.evidence import check_evidence, unmeasured

BUNDLES = Path(triage.__file__).parent / "bundles"


@pytest.fixture
def made(tiny_bundle: tuple[Path, BundleManifest]) -> BundleManifest:
    return tiny_bundle[1]


def write(folder: Path, evaluation: dict[str, Any]) -> Path:
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    return folder


def test_figures_of_the_evaluation_are_taken(made: BundleManifest, tmp_path: Path) -> None:
    check_evidence(write(tmp_path, tiny.evaluation(made)), made)


@pytest.mark.parametrize("name", ["cxr", "head_ct", "oct"])
def test_the_shipped_bundles_claim_what_was_measured(name: str) -> None:
    check_evidence(BUNDLES / name, read_manifest(BUNDLES / name))


def test_a_bundle_without_its_evaluation_is_not_loaded(
    tiny_bundle: tuple[Path, BundleManifest], cache: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(tiny_bundle[0], tmp_path / "tiny"))
    (copy / "evaluation.json").unlink()
    with pytest.raises(BundleError, match=r"claims figures for effusion, but evaluation\.json cannot be read"):
        load_bundle(copy, cache, "torch")


def test_an_evaluation_of_other_weights_is_no_evidence(made: BundleManifest, tmp_path: Path) -> None:
    other = tiny.evaluation(made) | {"bundle": {"weights_sha256": "0" * 64}}
    with pytest.raises(BundleError, match=r"speaks of other weights \(000000000000\.\.\. instead of"):
        check_evidence(write(tmp_path, other), made)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"auroc": {"value": 0.8, "low": 0.69, "high": 0.9}}, r"states 0\.75 as its lower bound, .* 0\.69"),
        ({"auroc": {"value": 0.79, "low": 0.75, "high": 0.9}}, r"states 0\.8 as its AUROC, .* 0\.79"),
        ({"negatives": 299}, r"states 300 as its number without it, .* 299"),
        ({"auroc": {"value": None, "low": None, "high": None}}, "holds no AUROC for it"),
    ],
)
def test_a_finding_that_claims_more_than_was_measured_is_refused(
    made: BundleManifest, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    evaluation = tiny.evaluation(made)
    evaluation["findings"]["effusion"] |= change
    with pytest.raises(BundleError, match=f"effusion: .*{reason}"):
        check_evidence(write(tmp_path, evaluation), made)


@pytest.mark.parametrize("name", ["auroc_within_source", "auroc_within_source_and_view"])
def test_the_lowest_of_the_three_areas_counts(made: BundleManifest, tmp_path: Path, name: str) -> None:
    evaluation = tiny.evaluation(made)
    evaluation["findings"]["effusion"][name] = {"value": 0.78, "low": 0.71, "high": 0.85}
    with pytest.raises(BundleError, match="effusion"):
        check_evidence(write(tmp_path, evaluation), made)
    cautious = made.findings[0].model_copy(
        update={"evidence": made.findings[0].evidence.model_copy(update={"auroc": 0.78, "low": 0.71, "high": 0.85})}
    )
    check_evidence(tmp_path, made.model_copy(update={"findings": (cautious, *made.findings[1:])}))


def test_a_finding_that_was_not_evaluated_is_refused(made: BundleManifest, tmp_path: Path) -> None:
    evaluation = tiny.evaluation(made)
    del evaluation["findings"]["nodule"]
    with pytest.raises(BundleError, match="nodule: evaluation"):
        check_evidence(write(tmp_path, evaluation), made)


def test_an_evaluation_that_is_none_is_refused_with_the_place(made: BundleManifest, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"evaluation\.json, findings: Field required"):
        check_evidence(write(tmp_path, {"bundle": {"weights_sha256": ""}}), made)


def test_a_bundle_that_claims_nothing_needs_no_evaluation_and_lifts_nothing(
    made: BundleManifest, tmp_path: Path
) -> None:
    findings = tuple(one.model_copy(update={"evidence": unmeasured("for a test")}) for one in made.findings)
    check_evidence(tmp_path, made.model_copy(update={"findings": findings}))
    assert not any(finding.may_lift for finding in findings)
