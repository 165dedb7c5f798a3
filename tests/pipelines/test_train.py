import json
from pathlib import Path

import pytest

from data_schemas.bundle import EVIDENCE_FLOOR, BundleManifest
from data_schemas.errors import TriageError
from pipelines.card import card
from pipelines.chest import TARGETS, TASK
from pipelines.cohort import FINDINGS
from pipelines.fit import Recipe
from pipelines.judge import read_evaluation
from pipelines.train import Plan, train
from tests.pipelines.drawn import row, write_cohort, write_manifest
from triage.models.bundle import load_bundle, read_manifest, verify_bundle

TINY = Recipe(epochs=1, batch=16, variants=2)


def plan(data: Path, out: Path) -> Plan:
    return Plan(data, out, None, side=64, folds=2, recipe=TINY, resamples=40, outside_count=6)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run of the whole pipeline on drawn films."""
    folder = tmp_path_factory.mktemp("trained")
    train(TASK, plan(write_cohort(folder / "data"), folder / "cxr"))
    return folder / "cxr"


def test_a_run_leaves_a_bundle_that_the_product_takes(trained, tmp_path):
    manifest = verify_bundle(trained, tmp_path)
    assert [finding.name for finding in manifest.findings] == list(FINDINGS) == list(TARGETS)
    assert sum(path.stat().st_size for path in trained.rglob("*") if path.is_file()) < 15_000_000
    assert (trained / "configs" / "inference.json").is_file()


def test_the_curve_passes_through_the_operating_point(trained):
    manifest, evaluation = read_manifest(trained), read_evaluation(trained)
    for finding in manifest.findings:
        figures = evaluation["findings"][finding.name]
        here, curve = figures["sensitivity"]["value"], figures["curve"]
        assert len(curve["probability"]) > 10
        for point, found in zip(curve["probability"], curve["sensitivity"], strict=True):
            assert found >= here if point <= finding.operating_point else found <= here


def test_evidence_is_what_the_evaluation_says(trained):
    manifest, evaluation = read_manifest(trained), read_evaluation(trained)
    for finding in manifest.findings:
        figures, evidence = evaluation["findings"][finding.name], finding.evidence
        areas = [figures["auroc"], figures["auroc_within_source"]]
        assert {"value": evidence.auroc, "low": evidence.low, "high": evidence.high} in areas
        assert evidence.low == min(area["low"] for area in areas)
        assert figures["lifts"] == finding.may_lift == (evidence.low >= EVIDENCE_FLOOR)
        assert figures["positives"] + figures["negatives"] <= evaluation["data"]["images"]
        assert "by patient" in evidence.method


def test_the_evaluation_names_run_data_and_software(trained):
    evaluation = read_evaluation(trained)
    assert evaluation["data"]["patients"] == 32 and evaluation["data"]["images"] == 64
    assert set(evaluation["tried"]) == {"head only", "last blocks and head"}
    assert evaluation["tried"][evaluation["kept"]] == max(evaluation["tried"].values())
    assert evaluation["seed"] == TINY.seed and len(evaluation["data"]["sha256"]) == 64
    assert evaluation["bundle"]["weights_sha256"] == read_manifest(trained).network.weights_sha256
    assert set(evaluation["distribution"]["stopped"]) == {"photograph", "noise"}


def test_the_card_says_what_the_evaluation_says(trained):
    manifest, evaluation = read_manifest(trained), read_evaluation(trained)
    text = (trained / "CARD.md").read_text()
    assert text == card(manifest, evaluation)
    assert manifest.not_for in text and manifest.origin in text and "not a medical device" in text
    for finding in manifest.findings:
        line = next(one for one in text.splitlines() if one.startswith(f"| {finding.label} | "))
        figures = evaluation["findings"][finding.name]
        assert f"{figures['auroc']['value']:.3f}" in line
        assert f"{figures['positives']} / {figures['negatives']}" in line
        assert ("experimental" in line) is not finding.may_lift


def test_the_same_seed_and_films_give_the_same_weights(trained, tmp_path):
    again = train(TASK, plan(write_cohort(tmp_path / "data"), tmp_path / "cxr"))
    first = read_manifest(trained)
    assert without_ood(again) == without_ood(first)
    assert json.loads((tmp_path / "cxr" / "evaluation.json").read_text()) == read_evaluation(trained)


def without_ood(manifest: BundleManifest) -> BundleManifest:
    """Principal directions are only determined up to their sign, so their file may differ."""
    return manifest.model_copy(
        update={"ood": manifest.ood.model_copy(update={"statistics_sha256": "", "threshold": 0.0, "kept": 0.0})}
    )


def test_the_drawn_bundle_scores_what_it_was_shown(trained, tmp_path):
    from pipelines.cohort import label_matrix, read_cohort
    from pipelines.fit import inputs
    from pipelines.metrics import auroc

    bundle = load_bundle(trained, tmp_path / "cache", "onnx", threads=1)
    cases = read_cohort(write_cohort(tmp_path / "data"))
    logits = bundle.score(inputs((TASK.pixels(case.image) for case in cases), bundle.manifest.prepare)).logits
    abnormal = label_matrix(cases, FINDINGS)[:, FINDINGS.index("abnormal")] == 1
    assert auroc(logits[:, FINDINGS.index("abnormal")].astype(float), abnormal) > 0.9


def test_films_without_a_finding_are_refused_in_words(tmp_path):
    folder = write_cohort(tmp_path / "data", patients=8)
    write_manifest(folder, [row(number, labels="No Finding") for number in range(12)])
    with pytest.raises(TriageError, match="no film with and without"):
        train(TASK, plan(folder, tmp_path / "cxr"))
