"""What is told of the answers of a run."""

from pathlib import Path

import numpy as np

from pipelines.cohort import Case
from pipelines.judge import alarms
from pipelines.train import judged_units
from pipelines.units import slices_of


def test_images_of_one_name_in_the_folders_of_several_patients_are_told_apart():
    cases = [Case(Path(f"{n}/01.png"), f"p{n}", 50.0, "first", {}) for n in range(4)]
    positive = np.array([1, 1, 0, 0])
    units = slices_of(cases, positive[:, None].astype(np.float32), np.zeros(4, np.int64))
    none = np.zeros((4, 1))
    one = judged_units("abnormal", units, 0, none, none[:, 0], np.array([True, True, True, False]))
    assert alarms({"abnormal": one}, {"abnormal"}, "abnormal") == {
        "of_films_without_abnormality": 0.5,
        "of_abnormal_films": 1.0,
    }
