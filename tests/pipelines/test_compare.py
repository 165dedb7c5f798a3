"""Runs side by side: the same patients, differences in pairs, and nothing compared that cannot be."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from data_schemas.errors import TriageError
from pipelines.compare import compared, read_answers, table
from tests.pipelines.runs import COUNT, write_run


def test_a_row_for_each_finding_and_their_mean(tmp_path):
    weak, strong = (read_answers(write_run(tmp_path / name, s)) for name, s in (("weak", 0.5), ("strong", 2.0)))
    rows = compared([weak, strong], resamples=60)
    assert [row.finding for row in rows] == ["opacity", "abnormal", "mean"]
    known = ~np.isnan(weak.answers.labels["opacity"])
    expected = roc_auc_score(weak.answers.labels["opacity"][known], weak.answers.logits["opacity"][known])
    assert rows[0].aurocs[0].value == pytest.approx(expected)
    assert rows[0].positives == int((weak.answers.labels["opacity"] == 1).sum())
    for row in rows:
        assert row.differences[0].value == pytest.approx(row.aurocs[1].value - row.aurocs[0].value)
        assert row.differences[0].low > 0
    assert "| mean" in table([weak, strong], rows) and "strong against weak" in table([weak, strong], rows)


def test_a_run_against_itself_differs_by_nothing_in_any_sample(tmp_path):
    one = read_answers(write_run(tmp_path / "one", 1.0))
    for row in compared([one, one], resamples=40):
        assert (row.differences[0].low, row.differences[0].value, row.differences[0].high) == (0, 0, 0)


def test_slices_are_pooled_as_the_product_does(tmp_path):
    run = read_answers(write_run(tmp_path / "scans", 1.0, task="head_ct"))
    assert len(run.answers.studies) == COUNT // 2
    images = read_answers(write_run(tmp_path / "films", 1.0))
    assert run.answers.logits["abnormal"][0] == pytest.approx(images.answers.logits["abnormal"][:2].mean(), abs=1e-4)
    assert run.answers.labels["abnormal"][0] == images.answers.labels["abnormal"][:2].max()


def test_runs_that_do_not_fit_together_are_refused_in_words(tmp_path):
    one = read_answers(write_run(tmp_path / "one", 1.0))
    other_folds = read_answers(write_run(tmp_path / "folds", 1.0, seed=4))
    fewer = read_answers(write_run(tmp_path / "fewer", 1.0, drop=2))
    scans = read_answers(write_run(tmp_path / "scans", 1.0, task="head_ct"))
    for other in (other_folds, fewer):
        with pytest.raises(TriageError, match="do not split the same patients in the same way; train them with"):
            compared([one, other], resamples=10)
    with pytest.raises(TriageError, match="one is of cxr, scans of head_ct"):
        compared([one, scans], resamples=10)


def test_a_folder_without_answers_is_named(tmp_path):
    with pytest.raises(TriageError, match=r"holds no out_of_fold\.csv; give the folder of a finished"):
        read_answers(tmp_path)
