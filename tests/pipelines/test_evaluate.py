"""A bundle evaluated on small drawn sets: what comes out is what screening said, counted as scikit-learn counts."""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import nibabel
import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from data_schemas.errors import TriageError
from data_schemas.evaluation import Evaluation
from pipelines.evaluate import Asked, bundle_folder, evaluate, prevalences_of
from pipelines.studies import read
from tests.bundles import write_reader, write_slice_reader
from tests.dicom import dx_file
from tests.pipelines.drawn import film, row, write_cohort
from tests.volumes import ct_series, head
from triage.images.decode_pool import DecodePool
from triage.models.bundle import Bundle, load_bundle
from triage.screening import screen
from triage.settings import load_settings


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two bundles with random weights and a cache of their own."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRIAGE_HOME", str(folder))
        patch.setenv("TRIAGE_BUNDLES", str(folder / "bundles"))
        patch.setenv("TRIAGE_RUNTIME", "torch")
        write_reader(folder / "bundles" / "films")
        write_slice_reader(folder / "bundles" / "heads", min_slices=4)
        yield folder


@pytest.fixture(scope="module")
def reader(home: Path) -> Bundle:
    return load_bundle(home / "bundles" / "films", home / "cache", "torch", threads=1)


def asked(home: Path, bundle: str, folder: Path, out: Path, **changed: Any) -> Asked:
    plain: dict[str, Any] = {"resamples": 60, "prevalences": (0.1,), "threads": 2}
    return Asked(home / "bundles" / bundle, folder / "manifest.csv", folder, out, **(plain | changed))


def table(folder: Path, rows: list[dict[str, Any]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    columns = list(dict.fromkeys(name for one in rows for name in one))
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 films of 32 adults and one of a child, in the layout of NIH ChestX-ray14."""
    return write_cohort(tmp_path_factory.mktemp("films") / "data")


@pytest.fixture(scope="module")
def evaluated(home: Path, films: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Evaluation]:
    out = tmp_path_factory.mktemp("evaluated") / "out"
    return out, evaluate(asked(home, "films", films, out))


def screened(reader: Bundle, number: int, folder: Path, **stated: str) -> dict[str, float]:
    """Probabilities of a drawn film that was made into DICOM by other hands."""
    path = dx_file(folder / f"{number}.dcm", film(number, row(number)["labels"]), bits=8, **stated)
    with DecodePool(1, 20, 1024 * 2**20) as pool:
        study, _ = screen(read([(path, None)]).to_screen, [reader], pool)  # type: ignore[list-item]
    return {one.finding: one.probability for one in study.findings}


def test_figures_are_those_of_scikit_learn_on_what_screening_says(evaluated, reader, tmp_path):
    found = evaluated[1].studies.findings["effusion"]
    scores = np.array([screened(reader, number, tmp_path)["effusion"] for number in range(64)])
    positive = np.array(["Effusion" in row(number)["labels"] for number in range(64)])
    acts = scores >= found.operating_point
    assert found.positives == positive.sum() == 8 and found.negatives == 56
    assert found.auroc.value == pytest.approx(roc_auc_score(positive, scores), abs=1e-4)
    assert found.auprc.value == pytest.approx(average_precision_score(positive, scores), abs=1e-4)
    assert found.brier.value == pytest.approx(brier_score_loss(positive, scores), abs=1e-4)
    assert found.sensitivity.value == pytest.approx(acts[positive].mean(), abs=1e-4)
    assert found.specificity.value == pytest.approx((~acts[~positive]).mean(), abs=1e-4)
    for interval in (found.auroc, found.auprc, found.brier, found.calibration_error):
        assert interval.low <= interval.value <= interval.high


def test_a_second_evaluation_gives_the_same_file(evaluated, home, films, tmp_path):
    again = evaluate(asked(home, "films", films, tmp_path / "out"))
    assert again.model_copy(update={"throughput": None}) == evaluated[1].model_copy(update={"throughput": None})
    for name in ("figures/effusion.svg", "REPORT.md"):
        first, second = (evaluated[0] / name).read_text(), (tmp_path / "out" / name).read_text()
        assert first.rpartition("## Run")[0] == second.rpartition("## Run")[0]


def test_what_gates_stop_is_counted_and_scored_lowest_beside(evaluated):
    coverage = evaluated[1].coverage
    assert (coverage.rows, coverage.studies, coverage.scored, coverage.stopped) == (65, 65, 64, 1)
    [stop] = coverage.stopped_by
    assert stop.gate == "age" and stop.studies == 1 and "patient is # years old" in stop.reason
    found = evaluated[1].studies.findings["effusion"]
    assert found.with_stopped.positives + found.with_stopped.negatives == 65
    assert found.with_stopped.auroc.value >= found.auroc.value  # the child has no effusion


def test_groups_have_counts_and_a_finding_without_labels_says_so(evaluated):
    findings = evaluated[1].studies.findings
    groups = findings["effusion"].groups
    assert set(groups) == {"age", "view", "source"}  # none states a sex
    assert set(groups["source"]) == {"first", "second"} and set(groups["view"]) == {"PA", "AP"}
    assert sum(one.positives + one.negatives for one in groups["source"].values()) == 64
    assert findings["nodule"].unknown == 64 and findings["nodule"].auroc.value is None
    assert "nothing that was scored is labelled" in findings["nodule"].note


def test_the_files_hold_every_study_and_one_figure_for_each_finding(evaluated):
    out, evaluation = evaluated
    assert Evaluation.model_validate_json((out / "evaluation.json").read_text()) == evaluation
    with (out / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 65 and sum(one["status"] == "scored" for one in rows) == 64
    assert [path.name for path in (out / "figures").iterdir()] == ["effusion.svg"]
    report = (out / "REPORT.md").read_text()
    assert f"{evaluation.studies.findings['effusion'].auroc.value:.3f}" in report and "age" in report
    assert "PHANTOM" not in report and not list(out.glob("*.part"))


def test_scores_of_the_same_bundle_manifest_and_files_are_not_computed_again(home, films, tmp_path):
    folder = table(tmp_path / "data", [picture_row(number) for number in range(8)])
    draw(folder, range(8))
    out = tmp_path / "out"
    first = evaluate(asked(home, "films", folder, out))
    assert first.throughput.studies == 8
    assert evaluate(asked(home, "films", folder, out)).throughput is None
    lines = (out / "scores.csv").read_text().splitlines(keepends=True)
    (out / "scores.csv").write_text("".join(lines[:6]) + lines[6][:-9])  # killed while it wrote
    assert evaluate(asked(home, "films", folder, out)).throughput.studies == 3
    cv2.imwrite(str(folder / "images" / "film0.png"), film(99, "Effusion"))
    assert evaluate(asked(home, "films", folder, out)).throughput.studies == 1
    (folder / "manifest.csv").write_text((folder / "manifest.csv").read_text().replace("drawn", "other"))
    last = evaluate(asked(home, "films", folder, out))
    assert last.throughput.studies == 8 and last.coverage.studies == 8


def picture_row(number: int, **changed: str) -> dict[str, Any]:
    plain = {"image": f"film{number}.png", "patient_id": f"drawn{number // 2}", "age": "50", "effusion": number % 2}
    return plain | changed


def draw(folder: Path, numbers: Any, suffix: str = "png") -> None:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number in numbers:
        cv2.imwrite(str(folder / "images" / f"film{number}.{suffix}"), film(number, row(number)["labels"]))


def test_missing_and_unreadable_files_are_named_and_the_rest_goes_on(home, tmp_path, caplog):
    rows = [picture_row(number) for number in range(6)] + [picture_row(9, image="gone.png")]
    rows += [picture_row(10, image="text.png"), picture_row(11, image="short.png")]
    folder = table(tmp_path / "data", rows)
    draw(folder, range(6))
    (folder / "images" / "text.png").write_text("not a picture")
    (folder / "images" / "short.png").write_bytes((folder / "images" / "film0.png").read_bytes()[:60])
    caplog.set_level("INFO", "pipelines")
    coverage = evaluate(asked(home, "films", folder, tmp_path / "out")).coverage
    assert coverage.scored == 6 and coverage.files_left_out == 3 and coverage.unreadable == 1
    assert "line 8: gone.png: is missing" in coverage.faults
    assert any("line 9: text.png" in fault for fault in coverage.faults)
    assert any("line 10: short.png cannot be read as a picture" in fault for fault in coverage.faults)
    assert "gone.png: is missing" in caplog.text


def test_a_manifest_without_any_image_is_refused(home, tmp_path):
    with pytest.raises(TriageError, match=r"none of the 1 rows .* names an image"):
        evaluate(asked(home, "films", table(tmp_path, [picture_row(0)]), tmp_path / "out"))


def test_one_class_only_is_reported_and_not_crashed_on(home, tmp_path):
    folder = table(tmp_path / "data", [picture_row(number, effusion="0") for number in range(4)])
    draw(folder, range(4))
    found = evaluate(asked(home, "films", folder, tmp_path / "out")).studies.findings["effusion"]
    assert found.auroc.value is None and found.sensitivity.value is None and found.specificity.value is not None
    assert found.note == "nothing that was scored has Effusion, so there is no AUROC"
    assert not list((tmp_path / "out" / "figures").iterdir())


def test_png_jpeg_and_dicom_of_one_film_score_alike(home, tmp_path):
    rows = [picture_row(1), picture_row(2, image="film1.jpg"), picture_row(3, image="film1.dcm")]
    folder = table(tmp_path / "data", rows)
    draw(folder, [1])
    cv2.imwrite(str(folder / "film1.jpg"), film(1, row(1)["labels"]), [cv2.IMWRITE_JPEG_QUALITY, 98])
    dx_file(folder / "film1.dcm", film(1, row(1)["labels"]), bits=8)
    evaluate(asked(home, "films", folder, tmp_path / "out"))
    with (tmp_path / "out" / "scores.csv").open() as file:
        png, jpg, dicom = (float(one["score_effusion"]) for one in csv.DictReader(file))
    assert png == pytest.approx(dicom, abs=1e-6) and png == pytest.approx(jpg, abs=0.05)


@pytest.fixture(scope="module")
def heads(home: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Evaluation]:
    """Four patients in the layout of CT-ICH, their rows in no order, and one whose volume is a NIfTI file."""
    folder = tmp_path_factory.mktemp("heads")
    rows = []
    (folder / "slices").mkdir()
    for patient in range(4):
        values = head(6, 96, bleed=patient % 2 == 1, seed=patient)
        for place in range(6):
            name = f"slices/{patient}_{place}.jpg"
            grey = np.clip((values[place] + 20) / 120 * 255, 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / name), grey)
            bleeds = int(patient % 2 == 1 and place in (2, 3))
            rows.append({"patient": f"p{patient}", "slice": place, "file": name, "hemorrhage": bleeds})
    rows.reverse()
    volume = nibabel.Nifti1Image(head(6, 96, bleed=True).transpose(2, 1, 0), np.diag([-2.0, -2, 5, 1]))
    nibabel.save(volume, folder / "p9.nii.gz")
    rows.append({"patient": "p9", "slice": "", "file": "p9.nii.gz", "hemorrhage": 1})
    ct_series(folder / "p8", head(6, 96))
    rows.append({"patient": "p8", "slice": "", "file": "p8", "hemorrhage": 0})
    out = folder / "out"
    return out, evaluate(asked(home, "heads", table(folder, rows), out))


def test_slices_of_a_patient_are_one_series_in_their_order(heads):
    out, evaluation = heads
    assert evaluation.coverage.studies == 6 and evaluation.coverage.scored == 6
    found = evaluation.studies.findings["haemorrhage"]
    assert (found.positives, found.negatives) == (3, 3)
    with (out / "slices.csv").open() as file:
        rows = [one for one in csv.DictReader(file) if one["patient_id"] == "p1"]
    places = [(float(one["position_mm"]), one["image"], one["label_haemorrhage"]) for one in rows]
    assert places == [(5.0 * k, f"slices/1_{k}.jpg", str(float(k in (2, 3)))) for k in range(6)]


def test_slices_have_figures_of_their_own_at_the_operating_point(heads):
    found = heads[1].slices.findings["haemorrhage"]
    assert heads[1].slices.count == 36 and (found.positives, found.negatives, found.unknown) == (4, 20, 12)
    with (heads[0] / "slices.csv").open() as file:
        rows = [one for one in csv.DictReader(file) if one["label_haemorrhage"]]
    positive = [one["label_haemorrhage"] == "1.0" for one in rows]
    expected = roc_auc_score(positive, [float(one["score_haemorrhage"]) for one in rows])
    assert found.auroc.value == pytest.approx(expected, abs=1e-4)
    assert (heads[0] / "figures" / "haemorrhage-slices.svg").is_file()


def test_a_study_column_parts_the_images_of_a_patient(home, heads, tmp_path):
    folder = heads[0].parent
    with (folder / "manifest.csv").open() as file:
        rows = [one for one in csv.DictReader(file) if one["slice"]]
    halves = [one | {"study": "first" if one["slice"] in "0123" else "second"} for one in rows]
    data = table(tmp_path / "data", halves)
    (data / "slices").symlink_to(folder / "slices")
    coverage = evaluate(asked(home, "heads", data, tmp_path / "out")).coverage
    assert coverage.studies == 8 and coverage.scored == 4
    [stop] = coverage.stopped_by
    assert stop.gate == "slice count" and stop.studies == 4


def test_changed_images_are_compared_with_the_same_ones_unchanged(home, films, tmp_path):
    found = evaluate(asked(home, "films", films, tmp_path / "out", robustness=4)).robustness
    assert found.studies == 4
    names = [change.change for change in found.changes]
    assert {"noise", "blur", "contrast", "shift", "JPEG", "FGSM", "PGD"} == set(names)
    assert all(change.images == 4 and change.strength for change in found.changes)
    assert all(change.findings["effusion"].mean_change > 0 for change in found.changes)
    assert "| PGD |" in (tmp_path / "out" / "REPORT.md").read_text()


def test_changed_slices_stay_a_series_that_is_scored(home, heads, tmp_path):
    folder = heads[0].parent
    found = evaluate(asked(home, "heads", folder, tmp_path / "out", robustness=2)).robustness
    assert all(change.stopped == 0 and change.images == 2 for change in found.changes)
    assert "slice of each study" in found.unit


def test_the_command_prints_json_alone_and_faults_as_one_sentence(home, tmp_path):
    folder = table(tmp_path / "data", [picture_row(number) for number in range(4)] + [picture_row(8, image="gone.png")])
    draw(folder, range(4))
    command = [sys.executable, "-m", "pipelines.evaluate", "--manifest", str(folder / "manifest.csv")]
    command += ["--images", str(folder), "--out", str(tmp_path / "out"), "--resamples", "20", "--json", "--bundle"]
    done = subprocess.run([*command, "films"], capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert answer["coverage"]["scored"] == 4 and answer["bundle"]["name"] == "films"
    assert "gone.png: is missing" in done.stderr and "Traceback" not in done.stderr
    failed = subprocess.run([*command, "nothing"], capture_output=True, text=True, check=False)
    assert failed.returncode == 2 and failed.stdout == ""
    assert failed.stderr.strip().startswith("there is no bundle nothing") and "films, heads" in failed.stderr


def test_bundles_are_found_by_name_and_by_folder(home):
    assert bundle_folder("films", load_settings()) == home / "bundles" / "films"
    assert bundle_folder(str(home / "bundles" / "heads"), load_settings()).name == "heads"


def test_a_prevalence_that_is_no_share_is_refused():
    assert prevalences_of([0.2, 0.1]) == (0.1, 0.2)
    with pytest.raises(TriageError, match="not between 0 and 1"):
        prevalences_of([5])
