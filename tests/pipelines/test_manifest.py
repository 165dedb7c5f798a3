"""Manifests as people have them: columns of findings, and the columns of the three public collections."""

import csv
import math
from pathlib import Path

import pytest

from data_schemas.errors import TriageError
from pipelines import chest, cohort, head, retina
from pipelines.manifest import known, read_manifest


def table(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_column_for_each_finding_is_read_with_empty_as_not_known(tmp_path):
    rows = [
        {"file": "a.png", "patient": "p1", "effusion": "1", "nodule": "", "sex": "Female", "age": "61", "view": "ap"},
        {"file": "b.png", "patient": "p2", "effusion": "0", "nodule": "1.0", "sex": "", "age": "", "view": ""},
    ]
    first, second = read_manifest(table(tmp_path / "m.csv", rows), ("effusion", "nodule", "mass"))
    assert first.labels["effusion"] == 1 and math.isnan(first.labels["nodule"]) and math.isnan(first.labels["mass"])
    assert second.labels["effusion"] == 0 and second.labels["nodule"] == 1
    assert (first.image, first.patient, first.sex, first.age_years, first.view) == ("a.png", "p1", "F", 61, "AP")
    assert second.sex == "" and math.isnan(second.age_years)


def test_chest_labels_are_read_as_training_reads_them(tmp_path):
    usual = {"image": "a.png", "patient_id": "p", "age": "50", "view": "PA", "source": "s"}
    rows = [
        usual | {"labels": "Effusion|Pneumonia", "rsna_class": "Lung Opacity"},
        usual | {"labels": "No Finding", "rsna_class": "Lung Opacity"},
        usual | {"labels": "", "rsna_class": ""},
    ]
    findings = tuple(chest.TARGETS)
    read = read_manifest(table(tmp_path / "m.csv", rows), findings)
    for row, one in zip(rows[:2], read, strict=False):
        expected = cohort.case(tmp_path, row).labels
        assert {name: str(value) for name, value in one.labels.items()} == {f: str(expected[f]) for f in findings}
    assert all(math.isnan(value) for value in read[2].labels.values())


def test_head_labels_are_read_as_training_reads_them(tmp_path):
    row = {"patient": "049", "slice": "2", "file": "slices/049_02.jpg", "hemorrhage": "1", "intraventricular": "0"}
    row |= {"intraparenchymal": "1", "subarachnoid": "0", "epidural": "0", "age": "35", "sex": "Male", "source": "s"}
    manifest = table(tmp_path / "manifest.csv", [row])
    (tmp_path / "slices").mkdir()
    (tmp_path / "slices" / "049_02.jpg").touch()
    [one], [case] = read_manifest(manifest, tuple(head.TARGETS)), head.read_slices(tmp_path)
    assert {name: one.labels[name] for name in case.labels} == dict(case.labels)
    assert (one.place, one.sex, one.age_years) == (2, "M", 35)


@pytest.mark.parametrize("disease", ["NORMAL", "AMD", "ERM", "RVO", "CNV"])
def test_oct_labels_are_read_as_training_reads_them(tmp_path, disease):
    row = {"image": "a.jpg", "patient_id": "p", "label": disease, "source": "OCTDL"}
    [one] = read_manifest(table(tmp_path / "m.csv", [row]), tuple(retina.TARGETS))
    expected = retina.labels_of(disease)
    assert {f: str(one.labels[f]) for f in expected} == {f: str(value) for f, value in expected.items()}


def test_a_disease_that_no_collection_names_is_refused_and_case_does_not_matter(tmp_path):
    assert retina.labels_of("normal") == retina.labels_of("NORMAL") and retina.labels_of("NO")["referable"] == 0
    row = {"image": "a.jpg", "patient_id": "p", "label": "HEALTHY", "source": "OCTDL"}
    with pytest.raises(TriageError, match=r"line 2: label is 'HEALTHY', none of AMD, CNV"):
        read_manifest(table(tmp_path / "m.csv", [row]), tuple(retina.TARGETS))


@pytest.mark.parametrize(
    ("row", "lacks"),
    [
        ({"picture": "a", "patient_id": "p", "effusion": "1"}, "image (or file, path)"),
        ({"image": "a", "who": "p", "effusion": "1"}, "patient_id (or patient)"),
        ({"image": "a", "patient_id": "p", "pleural": "1"}, "at least one finding of the bundle (effusion, nodule)"),
        ({"image": "a", "patient_id": "p", "label": "AMD"}, "at least one finding of the bundle (effusion, nodule)"),
    ],
)
def test_wrong_columns_are_named_with_what_is_needed(tmp_path, row, lacks):
    with pytest.raises(TriageError) as caught:
        read_manifest(table(tmp_path / "m.csv", [row]), ("effusion", "nodule"))
    assert f"has the columns {', '.join(row)}" in caught.value.sentence and lacks in caught.value.sentence
    assert "\n" not in caught.value.sentence


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"image": "a", "patient_id": "p", "effusion": "maybe"}, "line 2: effusion is 'maybe', not 1, 0 or empty"),
        ({"image": "a", "patient_id": "p", "effusion": "1", "age": "old"}, "line 2: age is 'old', not a number"),
        ({"image": "a", "patient_id": "", "effusion": "1"}, "line 2: the image or the patient is empty"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_by_its_line(tmp_path, row, words):
    with pytest.raises(TriageError, match=words):
        read_manifest(table(tmp_path / "m.csv", [row]), ("effusion",))


def test_a_file_that_is_no_table_is_one_sentence(tmp_path):
    with pytest.raises(TriageError, match="cannot be read as a table"):
        read_manifest(tmp_path / "missing.csv", ("effusion",))
    (tmp_path / "empty.csv").write_text("image,patient_id,effusion\n")
    with pytest.raises(TriageError, match="no row below its heading"):
        read_manifest(tmp_path / "empty.csv", ("effusion",))


def test_a_study_has_what_one_of_its_slices_has():
    unknown = float("nan")
    assert known([0, 1, unknown]) == 1 and known([0, 0]) == 0 and math.isnan(known([0, unknown]))
