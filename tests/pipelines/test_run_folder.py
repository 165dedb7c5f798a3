"""A run's folder: its answers read back as they were written, and gone on with only by its own recipe."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from data_schemas.errors import TriageError
from pipelines.chest import TASK
from pipelines.recipe import Recipe
from pipelines.run_folder import opened_run, read_out_of_fold
from tests.pipelines.drawn import write_cohort
from tests.pipelines.runs import COUNT, FINDINGS, write_run

HEAD = "image,patient,source,view,fold,x,x.logit"
SLICES = ("1,a,s,v,0,0,1", "2,a,s,v,0,1,3", "3,a,s,v,0,0,2", "4,b,s,v,1,0,5", "5,b,s,v,1,,9", "6,c,s,v,1,0,-1")


def written(folder: Path, *rows: str) -> Path:
    (folder / "out_of_fold.csv").write_text("\n".join(rows))
    return folder


def test_answers_are_read_as_they_were_written(tmp_path):
    found = read_out_of_fold(write_run(tmp_path / "run", 1.0), None)
    assert tuple(found.labels) == tuple(found.logits) == FINDINGS
    assert found.studies == tuple(f"{number}.png" for number in range(COUNT))
    assert np.isnan(found.labels["opacity"]).sum() == 6
    known = found.known("opacity")
    assert len(known.logits) == len(known.positive) == len(known.patients) == len(known.folds) == COUNT - 6


def test_slices_are_pooled_to_studies_as_training_pools_them(tmp_path):
    folder = written(tmp_path, HEAD, *SLICES)
    pooled = read_out_of_fold(folder, 2)
    assert (pooled.studies, pooled.folds.tolist()) == (("a", "b", "c"), [0, 1, 1])
    known = pooled.known("x")
    assert (known.patients.tolist(), known.logits.tolist()) == (["a", "c"], [2.5, -1.0])
    assert known.positive.tolist() == [True, False]
    assert read_out_of_fold(folder, None).known("x").logits.tolist() == [1, 3, 2, 5, -1]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ((), "no row, or no column image"),
        ((HEAD,), "no row, or no column image"),
        (("image,patient,fold,x", "1,a,0,1"), r"no column FINDING\.logit"),
        (("image,patient,x,x.logit", "1,a,0,1"), "no column fold"),
        ((HEAD, "1,a,s,v,0,2,1"), "a label is 1, 0 or empty"),
        ((HEAD, "1,a,s,v,0,1,nan"), "a logit a number"),
        ((HEAD, "1,a,s,v,0,1"), "a logit a number"),
        ((HEAD, "1,a,s,v,one,1,1"), "a fold a whole one"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_its_values_are_not(tmp_path, rows, sentence):
    with pytest.raises(TriageError, match=rf"out_of_fold\.csv .*{sentence}") as caught:
        read_out_of_fold(written(tmp_path, *rows), None)
    assert "'" not in caught.value.sentence


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "out_of_fold.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TriageError, match="cannot be read; give the folder of a finished training run"):
        read_out_of_fold(tmp_path, None)


def test_a_run_from_before_a_value_existed_is_gone_on_with(tmp_path):
    asked = Recipe(task="cxr").model_dump(mode="json")
    del asked["calibration"]
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(asked))
    with opened_run(tmp_path, Recipe(task="cxr"), ()):
        pass
    with pytest.raises(TriageError, match="another recipe"), opened_run(tmp_path, Recipe(task="cxr", seed=1), ()):
        pass


def test_a_folder_is_not_gone_on_with_where_a_label_or_a_pixel_has_changed(tmp_path):
    data, recipe = write_cohort(tmp_path / "data", patients=8), Recipe(task="cxr")
    cases = TASK.read(data)
    for _ in range(2):
        with opened_run(tmp_path / "run", recipe, cases):
            pass
    swapped = {name: 1.0 if value == 0 else 0.0 for name, value in cases[0].labels.items()}
    other_label = [replace(cases[0], labels=swapped), *cases[1:]]
    other_source = [replace(cases[0], source="elsewhere"), *cases[1:]]
    for changed in (other_label, other_source, cases[1:]):
        with pytest.raises(TriageError, match="run of other images"), opened_run(tmp_path / "run", recipe, changed):
            pass
    (tmp_path / "older" / "answers").mkdir(parents=True)
    with pytest.raises(TriageError, match="run of other images"), opened_run(tmp_path / "older", recipe, cases):
        pass
    cases[0].image.write_bytes(cases[1].image.read_bytes())
    with pytest.raises(TriageError, match="run of other images"), opened_run(tmp_path / "run", recipe, cases):
        pass
