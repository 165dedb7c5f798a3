"""What is judged: each image for itself, or the slices of one patient together as a study."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.cohort import Case, together
from pipelines.task import Task


@dataclass(frozen=True)
class Units:
    """Units of judgement and the images each is made of."""

    members: tuple[NDArray[np.intp], ...]
    """The images of each."""
    cases: tuple[Case, ...]
    """One image's case for each: patient, source and view are those of all."""
    labels: NDArray[np.float32]
    """(units, findings): 1 where one image has the finding, 0 where none has it, NaN where that is not known."""
    folds: NDArray[np.int64]
    pooled: int

    def logits(self, of_images: NDArray[np.float64]) -> NDArray[np.float64]:
        """(units, findings): the mean of the highest of each, as the product pools slices."""
        pooled = [np.sort(of_images[some], axis=0)[-self.pooled :].mean(axis=0) for some in self.members]
        return np.array(pooled, dtype=np.float64).reshape(len(self.members), of_images.shape[1])


def units_of(task: Task, cases: Sequence[Case], labels: NDArray[np.float32], folds: NDArray[np.int64]) -> Units:
    """Images, or of a task whose slices are pooled, patients."""
    return _grouped(cases, labels, folds, task.pooled)


def slices_of(cases: Sequence[Case], labels: NDArray[np.float32], folds: NDArray[np.int64]) -> Units:
    """Each image for itself, also of a task whose slices are pooled."""
    return _grouped(cases, labels, folds, None)


def _grouped(cases: Sequence[Case], labels: NDArray[np.float32], folds: NDArray[np.int64], pooled: int | None) -> Units:
    if pooled is None:
        members = [np.array([place]) for place in range(len(cases))]
    else:
        patients = np.array([case.patient_id for case in cases])
        members = [np.flatnonzero(patients == one) for one in np.unique(patients)]
    if not members:
        return Units((), (), labels, folds, pooled or 1)
    return Units(
        members=tuple(members),
        cases=tuple(cases[some[0]] for some in members),
        labels=np.stack([together(labels[some]) for some in members]),
        folds=np.array([folds[some[0]] for some in members]),
        pooled=pooled or 1,
    )
