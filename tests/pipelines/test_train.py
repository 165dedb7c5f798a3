import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from data_schemas.bundle import EVIDENCE_FLOOR, BundleManifest
from data_schemas.errors import TriageError
from pipelines.card import card, ranged
from pipelines.chest import TARGETS, TASK
from pipelines.cohort import FINDINGS, read_cohort, set_aside
from pipelines.evaluate import Asked, evaluate
from pipelines.judge import read_evaluation
from pipelines.recipe import CONFIGS, Recipe, Tail, changes_of, read_recipe
from pipelines.train import Run, train
from tests.pipelines.drawn import row, write_cohort, write_manifest
from triage.models.bundle import load_bundle, read_manifest, verify_bundle
from triage.settings import load_settings

TINY = Recipe(
    task="cxr",
    side=64,
    folds=2,
    variants=3,
    batch=16,
    tails=(Tail(epochs=1, rate=1e-4), Tail(epochs=1, mixup=0.4)),
    resamples=40,
    strangers=6,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run of the whole pipeline on drawn films."""
    folder = tmp_path_factory.mktemp("trained")
    asked = Run(TINY, write_cohort(folder / "data", patients=64), folder / "run")
    train(asked)
    return asked


@pytest.fixture(scope="module")
def trained(run: Run) -> Path:
    return run.out / "bundle"


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


def test_reliability_is_told_of_every_image_once(trained):
    evaluation = read_evaluation(trained)
    for finding in read_manifest(trained).findings:
        figures = evaluation["findings"][finding.name]
        bins = figures["reliability"]
        assert sum(one["images"] for one in bins) == figures["positives"] + figures["negatives"]
        assert sum(one["images"] * one["found"] for one in bins) == pytest.approx(figures["positives"], abs=0.1)
        assert [one["stated"] for one in bins] == sorted(one["stated"] for one in bins)
        assert all(0 <= one["low"] <= one["found"] <= one["high"] <= 1 for one in bins)
        gap = sum(one["images"] * abs(one["stated"] - one["found"]) for one in bins)
        assert gap / sum(one["images"] for one in bins) == pytest.approx(figures["calibration_error"], abs=1e-3)


def test_every_image_is_in_one_group_of_each_kind(trained):
    evaluation = read_evaluation(trained)
    assert set(evaluation["findings"]["opacity"]["by_age"]) <= {"0 to 39", "40 to 59", "60 and over"}
    for figures in evaluation["findings"].values():
        for kind in ("by_source", "by_view", "by_sex", "by_age", "by_label"):
            for count in ("positives", "negatives"):
                assert sum(one[count] for one in figures[kind].values()) == figures[count]


def test_evidence_is_what_the_evaluation_says(trained):
    manifest, evaluation = read_manifest(trained), read_evaluation(trained)
    for finding in manifest.findings:
        figures, evidence = evaluation["findings"][finding.name], finding.evidence
        names = ("auroc", "auroc_within_source", "auroc_within_source_and_view")
        areas = [figures[name] for name in names if figures[name]["low"] is not None]
        assert {"value": evidence.auroc, "low": evidence.low, "high": evidence.high} in areas
        assert evidence.low == min(area["low"] for area in areas)
        assert figures["lifts"] == finding.may_lift == (finding.proposes is not None and evidence.low >= EVIDENCE_FLOOR)
        assert figures["positives"] + figures["negatives"] <= evaluation["data"]["images"]
        assert "by patient" in evidence.method


def test_the_evaluation_names_run_data_and_software(trained, run):
    evaluation = read_evaluation(trained)
    aside = set_aside(read_cohort(run.data), TINY.set_aside).sum()
    assert evaluation["data"]["images"] + aside == 128 and aside > 0
    assert set(evaluation["tried"]) == {"head only", "last blocks and head, 1", "last blocks and head, 2"}
    assert evaluation["tried"][evaluation["kept"]] == max(evaluation["tried"].values())
    averaging = evaluation["averaging"]
    assert averaging["changed_copies"] == TINY.variants - 1
    assert averaging["mean_auroc"] == evaluation["tried"][evaluation["kept"]]
    gain = averaging["mean_auroc_averaged"] - averaging["mean_auroc"]
    assert averaging["gain"]["value"] == pytest.approx(gain, abs=2e-4)
    assert evaluation["seed"] == TINY.seed and len(evaluation["data"]["sha256"]) == 64
    assert Recipe.model_validate(evaluation["recipe"]) == TINY
    assert evaluation["bundle"]["weights_sha256"] == read_manifest(trained).network.weights_sha256
    assert set(evaluation["distribution"]["stopped"]) == {"photograph", "noise"}


def test_each_collection_is_asked_about_by_a_network_that_did_not_see_it(trained, run):
    findings = read_evaluation(trained)["findings"]
    found = {name: figures["elsewhere"] for name, figures in findings.items() if figures["elsewhere"]}
    assert set(found) == {"abnormal"}, "drawn findings come from one collection each: the other cannot teach them"
    assert set(found["abnormal"]) == {case.source for case in read_cohort(run.data)} == {"first", "second"}
    section = (trained / "CARD.md").read_text().split("| finding, by collection as another hospital |")[1]
    for source, one in found["abnormal"].items():
        within, area = findings["abnormal"]["by_source"][source], one["auroc"]
        assert (one["positives"], one["negatives"]) == (within["positives"], within["negatives"])
        assert f"{area['value']:.3f} ({area['low']:.3f} to {area['high']:.3f})" in section


def test_patients_set_aside_are_in_no_answer_that_chooses(run):
    cases = read_cohort(run.data)
    aside = {case.patient_id for case, held in zip(cases, set_aside(cases, TINY.set_aside), strict=True) if held}
    with (run.out / "out_of_fold.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    judged = {row["patient"] for row in rows}
    assert aside and not aside & judged
    assert aside | judged == {case.patient_id for case in cases}
    folds = {patient: {row["fold"] for row in rows if row["patient"] == patient} for patient in judged}
    assert all(len(of_one) == 1 for of_one in folds.values())


def test_what_the_card_says_of_patients_set_aside_is_what_evaluate_says_of_them(run, trained, tmp_path):
    asked = Asked(
        bundle=trained,
        manifest=run.out / "set_aside.csv",
        images=run.data,
        out=tmp_path / "again",
        resamples=TINY.resamples,
        seed=TINY.seed,
        settings=load_settings(home=tmp_path),
    )
    again = evaluate(asked)
    cases = read_cohort(run.data)
    held = [case for case, aside in zip(cases, set_aside(cases, TINY.set_aside), strict=True) if aside]
    assert again.coverage.studies == len(held) and again.coverage.scored > 0
    confirmed = read_evaluation(trained)["confirmed"]
    assert confirmed["coverage"] == again.coverage.model_dump(mode="json")
    assert confirmed["studies"] == again.studies.model_dump(mode="json")
    section = (trained / "CARD.md").read_text().split("## On patients set aside")[1].split("## ")[0]
    for finding in again.studies.findings.values():
        [line] = [line for line in section.splitlines() if line.startswith(f"| {finding.label} |")]
        assert f"| {finding.positives} / {finding.negatives} | {ranged(finding.auroc.model_dump())} |" in line
        assert f"| {ranged(finding.sensitivity.model_dump())} |" in line


def test_a_run_leaves_curves_and_what_was_asked_for(run):
    with (run.out / "curves.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["way"], row["fold"], row["epoch"]) for row in rows} == {
        (f"last blocks and head, {way}", str(fold), "1") for way in (1, 2) for fold in (0, 1)
    }
    assert (run.out / "curves.png").stat().st_size > 1000
    assert read_recipe(run.out / "recipe.yaml") == TINY
    assert "fitted to all images" in (run.out / "run.log").read_text()


def test_an_interrupted_run_goes_on_and_gives_the_same(run, trained, tmp_path):
    half = tmp_path / "run"
    shutil.copytree(run.out, half, ignore=shutil.ignore_patterns("bundle", "fold_1.npz"))
    again = train(Run(TINY, run.data, half))
    assert without_ood(again) == without_ood(read_manifest(trained))


def test_an_isotonic_bundle_is_taken_by_the_product_and_has_the_same_weights(run, trained, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run.out, folder, ignore=shutil.ignore_patterns("bundle", "recipe.yaml"))
    written = train(Run(TINY.model_copy(update={"calibration": "isotonic"}), run.data, folder))
    assert verify_bundle(folder / "bundle", tmp_path / "cache") == read_manifest(folder / "bundle") == written
    plain = read_manifest(trained)
    assert written.network == plain.network
    assert all(finding.calibration.knots for finding in written.findings)
    assert "knots" not in (trained / "triage.json").read_text()
    for finding, platt in zip(written.findings, plain.findings, strict=True):
        assert finding.evidence == platt.evidence
        assert finding.calibration.model_copy(update={"knots": ()}) == platt.calibration
        assert finding.operating_point != platt.operating_point


def test_a_folder_of_another_recipe_is_not_gone_on_with(run):
    other = TINY.model_copy(update={"seed": 1})
    with pytest.raises(TriageError, match="holds a run of another recipe; give another folder"):
        train(Run(other, run.data, run.out))


@pytest.mark.parametrize("name", sorted(path.stem for path in CONFIGS.glob("*.yaml")))
def test_shipped_recipes_are_found_by_name(name):
    assert read_recipe(Path(name)).task == name.removesuffix("_volumes")


def test_a_change_that_is_no_yaml_is_named():
    with pytest.raises(TriageError, match=r"--set tails=\[ is no YAML"):
        changes_of(["side=64", "tails=["])


def test_a_wrong_value_of_a_recipe_is_named(tmp_path):
    (tmp_path / "mine.yaml").write_text("task: cxr\nsides: 256\n")
    with pytest.raises(TriageError, match=r"mine\.yaml: sides: Extra inputs"):
        read_recipe(tmp_path / "mine.yaml")
    with pytest.raises(TriageError, match=r"cannot be read .*shipped recipes are cxr"):
        read_recipe(tmp_path / "none.yaml")
    assert read_recipe(Path("cxr"), {"side": "64"}).side == 64


def test_the_card_says_what_the_evaluation_says(trained):
    manifest, evaluation = read_manifest(trained), read_evaluation(trained)
    text = (trained / "CARD.md").read_text()
    assert text == card(manifest, evaluation)
    assert manifest.not_for in text and manifest.origin in text and "not a medical device" in text
    assert "`python -m pipelines.train cxr` with other values of network, side, " in text
    for finding in manifest.findings:
        line = next(one for one in text.splitlines() if one.startswith(f"| {finding.label} | "))
        figures = evaluation["findings"][finding.name]
        assert f"{figures['auroc']['value']:.3f}" in line
        assert f"{figures['positives']} / {figures['negatives']}" in line
        assert ("experimental" in line) is not finding.may_lift


def test_the_card_names_what_its_author_lets_lift_nothing(trained):
    manifest = read_manifest(trained)
    held = manifest.findings[0].model_copy(update={"proposes": None})
    told = card(manifest.model_copy(update={"findings": (held, *manifest.findings[1:])}), read_evaluation(trained))
    assert f"{held.label} never, by choice" in told and "by choice" not in card(manifest, read_evaluation(trained))


def test_the_same_seed_and_films_give_the_same_weights(trained, tmp_path):
    again = train(Run(TINY, write_cohort(tmp_path / "data", patients=64), tmp_path / "run"))
    assert without_ood(again) == without_ood(read_manifest(trained))
    told = json.loads((tmp_path / "run" / "bundle" / "evaluation.json").read_text())
    assert told == read_evaluation(trained)


def without_ood(manifest: BundleManifest) -> BundleManifest:
    """Principal directions are only determined up to their sign, so their file may differ."""
    return manifest.model_copy(
        update={"ood": manifest.ood.model_copy(update={"statistics_sha256": "", "threshold": 0.0, "kept": 0.0})}
    )


def test_the_drawn_bundle_scores_what_it_was_shown(trained, tmp_path):
    from pipelines.cohort import label_matrix
    from pipelines.metrics import auroc
    from triage.models.prepare import prepare

    bundle = load_bundle(trained, tmp_path / "cache", "onnx", threads=1)
    cases = read_cohort(write_cohort(tmp_path / "data"))
    films = [prepare(TASK.dressed(TASK.grey(case.image)), bundle.manifest.prepare).tensor for case in cases]
    logits = bundle.score(np.stack(films)).logits
    abnormal = label_matrix(cases, FINDINGS)[:, FINDINGS.index("abnormal")] == 1
    assert auroc(logits[:, FINDINGS.index("abnormal")].astype(float), abnormal) > 0.9


def test_films_without_a_finding_are_refused_in_words(tmp_path):
    folder = write_cohort(tmp_path / "data", patients=8)
    write_manifest(folder, [row(number, labels="No Finding") for number in range(12)])
    with pytest.raises(TriageError, match="no film with and without"):
        train(Run(TINY, folder, tmp_path / "run"))
