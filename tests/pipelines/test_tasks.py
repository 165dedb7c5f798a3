"""Head CT and OCT: what their labels say, how slices become a study, and a whole run on drawn scans."""

import math
from pathlib import Path

import numpy as np
import pytest

from data_schemas.errors import TriageError
from pipelines import head, retina
from pipelines.card import card
from pipelines.cohort import folds_by_patient, label_matrix
from pipelines.judge import read_evaluation
from pipelines.recipe import Recipe, Tail, Whole
from pipelines.train import Run, train
from pipelines.units import units_of
from pipelines.whole import WholeNetwork
from tests.pipelines.drawn import SLICES, write_scans
from triage.images.display import modality_values
from triage.models.bundle import read_manifest, verify_bundle


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scans(tmp_path_factory.mktemp("scans"))


def test_a_whole_network_learns_slices_and_its_epochs_are_judged_by_scans(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = head.TASK.read(scans)
    how = Whole(imagenet=False, epochs=1, validation=0.5)
    recipe = Recipe(task="head_ct", network="resnet18", side=64, variants=2, batch=16, whole=(how,))
    judged: list[int] = []
    monkeypatch.setattr("pipelines.whole.mean_auroc", lambda logits, labels: judged.append(len(labels)) or 0.5)
    WholeNetwork(head.TASK, cases, recipe, how, "cpu", tmp_path).fit(np.arange(len(cases)))
    [scans_judged] = judged
    assert 1 < scans_judged < 24


def test_a_picture_of_the_window_becomes_hounsfield_units_again(scans: Path) -> None:
    pixels = head.TASK.dressed(head.TASK.grey(scans / "slices" / "000_3.png"))
    values = modality_values(pixels)
    assert values.min() == pytest.approx(-20)
    assert values.max() == pytest.approx(100)


def test_a_study_is_the_mean_of_its_highest_slices_and_has_what_one_of_them_has(scans: Path) -> None:
    cases = head.read_slices(scans)
    labels = label_matrix(cases, tuple(head.TARGETS))
    units = units_of(head.TASK, cases, labels, folds_by_patient(cases, 2, 0))
    assert len(units.members) == 24
    assert units.labels[:, 0].sum() == 12
    logits = np.arange(len(cases), dtype=np.float64)[:, None].repeat(len(head.TARGETS), axis=1)
    first = [place for place, case in enumerate(cases) if case.patient_id == units.cases[0].patient_id]
    assert units.logits(logits)[0, 0] == pytest.approx(np.mean(first[-head.POOLED :]))


def test_a_run_on_drawn_scans_leaves_a_bundle_that_reads_series(scans: Path, tmp_path: Path) -> None:
    recipe = Recipe(
        task="head_ct",
        side=64,
        folds=2,
        variants=2,
        batch=16,
        tails=(Tail(epochs=1),),
        resamples=40,
        strangers=6,
        painted=0.3,
        set_aside=0.2,
    )
    train(Run(recipe, scans, tmp_path / "run"))
    bundle = tmp_path / "run" / "bundle"
    manifest, evaluation = verify_bundle(bundle, tmp_path / "cache"), read_evaluation(bundle)
    assert manifest.accepts.volume is not None
    confirmed = evaluation["confirmed"]
    scored = confirmed["coverage"]["scored"]
    assert scored > 0 and confirmed["slices"]["count"] == scored * SLICES
    haemorrhage = confirmed["studies"]["findings"]["haemorrhage"]
    aside = (haemorrhage["with_stopped"] or haemorrhage)["positives"]
    assert manifest.findings[0].evidence.positives + aside == 12
    assert evaluation["findings"]["haemorrhage"]["slices"]["auroc"]["value"] > 0.9
    assert evaluation["findings"]["haemorrhage"]["auroc"]["value"] > 0.9
    text = (bundle / "CARD.md").read_text(encoding="utf-8")
    assert text == card(read_manifest(bundle), evaluation)
    assert "level 40 width 120" in text
    assert "Figures are those of a whole scan" in text


def test_one_label_leaves_what_may_go_with_it_unknown() -> None:
    assert retina.labels_of("NORMAL") == dict.fromkeys(retina.TARGETS, 0.0)
    oedema = retina.labels_of("DME")
    assert (oedema["referable"], oedema["macular_oedema"], oedema["drusen_or_cnv"]) == (1.0, 1.0, 0.0)
    assert math.isnan(oedema["epiretinal_membrane"])
    assert retina.labels_of("CNV")["drusen_or_cnv"] == retina.labels_of("AMD")["drusen_or_cnv"] == 1.0


@pytest.mark.parametrize("read", [head.read_slices, retina.read_scans])
def test_a_folder_without_a_manifest_is_named(read, tmp_path: Path) -> None:
    with pytest.raises(TriageError, match=r"manifest\.csv is missing"):
        read(tmp_path)


def test_the_real_cohorts_have_the_patients_they_should(shared_data: Path) -> None:
    slices, scans = head.read_slices(shared_data / "head_ct"), retina.read_scans(shared_data / "oct")
    assert (len(slices), len({case.patient_id for case in slices})) == (2471, 82)
    assert len(scans) == 1228
    assert {case.source for case in scans} == {"OCTDL", "Kermany OCT2017"}
