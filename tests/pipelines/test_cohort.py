import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_schemas.errors import TriageError
from pipelines.cohort import Case, cohort_sha256, folds_by_patient, read_cohort, together
from tests.pipelines.drawn import row, write_cohort, write_manifest


def case_of(patient: str) -> Case:
    return Case(Path("x.png"), patient, 50.0, "PA", "first", {}, False, False, {})


def write_rows(folder: Path, rows: list[dict[str, str]]) -> None:
    """A manifest and images without content."""
    write_manifest(folder, rows)
    (folder / "images").mkdir()
    for one in rows:
        (folder / "images" / one["image"]).touch()


def labels_of(folder: Path, labels: str, rsna_class: str = "") -> dict[str, float]:
    write_rows(folder, [row(0, labels=labels, rsna_class=rsna_class)])
    return dict(read_cohort(folder)[0].labels)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=120), st.integers(2, 7), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_no_patient_is_in_two_folds(patients, folds, seed):
    cases = [case_of(f"p{number}") for number in patients]
    fold_of = folds_by_patient(cases, folds, seed)
    assert len(fold_of) == len(cases) and set(fold_of) <= set(range(folds))
    for patient in set(patients):
        assert len({int(f) for f, p in zip(fold_of, patients, strict=True) if p == patient}) == 1
    sizes = [len({p for f, p in zip(fold_of, patients, strict=True) if f == fold}) for fold in range(folds)]
    assert max(sizes) - min(sizes) <= 1


def test_folds_follow_from_the_seed_alone():
    cases = [case_of(f"p{number}") for number in range(40)]
    assert np.array_equal(folds_by_patient(cases, 5, 1), folds_by_patient(cases, 5, 1))
    assert not np.array_equal(folds_by_patient(cases, 5, 1), folds_by_patient(cases, 5, 2))


def test_children_are_left_out(tmp_path):
    cases = read_cohort(write_cohort(tmp_path / "data", patients=3))
    assert len(cases) == 6 and min(case.age_years for case in cases) >= 18


def test_the_re_read_decides_about_opacity_and_abnormal(tmp_path):
    labels = labels_of(tmp_path, "Pneumonia", "No Lung Opacity / Not Normal")
    assert (labels["opacity"], labels["abnormal"], labels["effusion"]) == (0, 1, 0)


def test_a_report_that_the_re_read_contradicts_is_not_believed(tmp_path):
    labels = labels_of(tmp_path, "No Finding", "Lung Opacity")
    assert (labels["opacity"], labels["abnormal"]) == (1, 1)
    assert math.isnan(labels["effusion"])


def test_a_neighbour_of_opacity_leaves_opacity_unknown(tmp_path):
    assert math.isnan(labels_of(tmp_path / "a", "Atelectasis")["opacity"])
    assert labels_of(tmp_path / "b", "Cardiomegaly")["opacity"] == 0
    assert labels_of(tmp_path / "c", "Atelectasis|Infiltration")["opacity"] == 1


def test_a_label_that_experts_contradict_is_not_believed_and_none_is_taken_from_them(tmp_path):
    read = {"expert_pneumothorax": "YES", "expert_airspace_opacity": "NO", "expert_nodule_or_mass": "NO"}
    write_rows(tmp_path, [row(0, labels="No Finding", **read), row(1, labels="Infiltration|Mass", **read)])
    clean, diseased = read_cohort(tmp_path)
    assert clean.expert == {"pneumothorax": 1.0, "opacity": 0.0, "nodule_or_mass": 0.0}
    assert math.isnan(clean.labels["pneumothorax"]) and math.isnan(clean.labels["abnormal"])
    assert (clean.labels["opacity"], clean.labels["effusion"]) == (0, 0)
    assert all(math.isnan(diseased.labels[name]) for name in ("pneumothorax", "opacity", "nodule_or_mass"))
    assert diseased.labels["abnormal"] == 1


def test_where_nothing_is_stated_nothing_is_known_but_what_a_re_read_says(tmp_path):
    labels = labels_of(tmp_path / "a", "")
    assert all(math.isnan(value) for value in labels.values())
    labels = labels_of(tmp_path / "b", "", "Lung Opacity")
    assert (labels["opacity"], labels["abnormal"]) == (1, 1) and math.isnan(labels["effusion"])


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"labels": "effusion, mass"}, r"line 2: labels has 'effusion, mass', which is none of Atelectasis,"),
        ({"age": "old"}, r"line 2: age is 'old', not a number"),
        ({"image": "gone.png"}, r"line 2: there is no image .*gone\.png"),
    ],
)
def test_a_cell_that_cannot_be_used_is_named_with_its_line(tmp_path, changed, fault):
    write_rows(tmp_path, [row(0)])
    write_manifest(tmp_path, [row(0, **changed)])
    with pytest.raises(TriageError, match=fault):
        read_cohort(tmp_path)


def test_a_table_as_spreadsheets_save_it_is_read_and_a_column_that_is_missing_is_named(tmp_path):
    write_rows(tmp_path, [row(0, age="")])
    manifest = tmp_path / "manifest.csv"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text("\ufeff" + text.replace("\n", "\r\n"), encoding="utf-8", newline="")
    [one] = read_cohort(tmp_path)
    assert math.isnan(one.age_years)
    manifest.write_text(text.replace("rsna_class", "other"), encoding="utf-8")
    with pytest.raises(TriageError, match=r"manifest\.csv has no column rsna_class; it needs age, image"):
        read_cohort(tmp_path)


def test_several_images_together_have_what_one_has_and_lack_what_none_may_have():
    some = np.array([[1, 0, 0], [np.nan, np.nan, 0]], np.float32)
    found = together(some)
    assert found[0] == 1 and math.isnan(found[1]) and found[2] == 0


def test_the_hash_knows_every_label_and_byte(tmp_path):
    folder = write_cohort(tmp_path / "data", patients=2)
    before = cohort_sha256(read_cohort(folder))
    assert before == cohort_sha256(read_cohort(folder))
    film = folder / "images" / "film001.png"
    film.write_bytes(film.read_bytes() + b"\0")
    assert cohort_sha256(read_cohort(folder)) != before


def test_a_folder_without_a_manifest_is_named(tmp_path):
    with pytest.raises(TriageError, match=r"manifest\.csv is missing"):
        read_cohort(tmp_path)
