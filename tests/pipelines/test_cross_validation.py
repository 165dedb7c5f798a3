"""Answers to patients that a fit did not see, as they are and averaged over changed copies."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.cross_validation import WAYS, cross_validate, read_fold
from pipelines.fit import Images
from pipelines.last_blocks import LastBlocks
from pipelines.recipe import Recipe
from triage.models.networks import MapNetwork

ROWS, FOLDS = np.arange(40), np.arange(40) % 2
LABELS = (np.arange(40)[:, None] % 3 == 0).astype(np.float32)


class Told:
    """Logits are row + 100 * variant; into variant 2 of every fourth image a finding is painted."""

    variants = 3

    def __init__(self) -> None:
        self.fitted = 0

    def fit(self, rows: np.ndarray, watch: object = None) -> None:
        self.fitted += 1
        self.taught = rows

    def painted(self, rows: np.ndarray, variant: int) -> np.ndarray:
        return (rows % 4 == 0) & (variant == 2)

    def outputs(self, network: None, rows: np.ndarray, variant: int) -> tuple[np.ndarray, np.ndarray]:
        features = np.random.default_rng(variant).normal(size=(40, 200))[rows]
        return (rows[:, None] + 100.0 * variant).astype(np.float32), features.astype(np.float32)


def validated(fitter: Told, folder: Path):
    return cross_validate(fitter, ROWS, LABELS, FOLDS, ROWS.astype(str), folder, lambda *told: None)


def test_copies_into_which_a_finding_was_painted_are_not_averaged(tmp_path):
    found = validated(Told(), tmp_path)
    assert found.logits[:, 0].tolist() == ROWS.tolist()
    assert found.averaged[:, 0] == pytest.approx(ROWS + np.where(ROWS % 4 == 0, 50, 100))


def test_nothing_is_learnt_of_a_patient_who_is_asked_about_where_folds_are_not_by_patient(tmp_path):
    fitter, patients = Told(), np.where(ROWS < 6, "in both", ROWS.astype(str))
    cross_validate(fitter, ROWS, LABELS, FOLDS, patients, tmp_path, lambda *told: None)
    assert fitter.taught.tolist() == [row for row in ROWS if row % 2 == 0 and row >= 6]


def test_a_copy_with_a_painted_finding_is_told_by_its_label(tmp_path):
    as_it_is = [[0, 0], [1, 0], [0, np.nan]]
    labels = np.array([as_it_is, [[1, 0], [1, 0], [0, np.nan]]], np.float32)
    sources = np.array(["one", "one", "two"])
    images = Images(np.zeros((2, 3, 1, 1, 1), np.float16), labels, sources)
    fitter = LastBlocks(MapNetwork.__new__(MapNetwork), images, Recipe(task="head_ct"), None, "cpu", tmp_path)
    assert fitter.painted(np.array([0, 1, 2]), 1).tolist() == [True, False, False]
    assert fitter.painted(np.array([2, 0]), 1).tolist() == [False, True]
    assert not fitter.painted(np.arange(3), 0).any()


def test_a_fold_is_fitted_once_and_again_only_where_its_file_does_not_say_enough(tmp_path):
    fitter = Told()
    first = validated(fitter, tmp_path)
    again = validated(fitter, tmp_path)
    assert fitter.fitted == 2
    assert (again.averaged == first.averaged).all()
    with np.load(tmp_path / "fold_0.npz") as content:
        older = {name: content[name] for name in content.files if name != "averaged"}
    np.savez(tmp_path / "fold_0.npz", **older)
    assert read_fold(tmp_path / "fold_0.npz", ROWS[FOLDS == 0]) is None
    assert (validated(fitter, tmp_path).averaged == first.averaged).all()
    assert fitter.fitted == 3
    assert set(first.distances) == set(WAYS)
