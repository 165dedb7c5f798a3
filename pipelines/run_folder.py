"""What a training run leaves behind, beside the bundle: recipe, log, learning curves, answers out of fold.

recipe.yaml      what was asked for
data.sha256      a hash of the images, of all that is known of them, and of the file that the recipe starts from
run.log          what was said, with times
variants/        what the fixed layers gave (large; may be removed once the run is done)
pretrained/      what pretraining without labels left, by the images that it saw (pipelines.pretrain: trunk.safetensors)
answers/         per way and fold, what the networks said of patients that they had not seen
curves.csv       per way, fold and epoch: training loss, mean AUROC on the fold's own images
curves.png       the same, and the loss of pretraining
out_of_fold.csv  per image: patient, source, view, fold, and of each finding its label and logit
calibration.svg  reliability of each scaling, where pipelines.calibrate was asked
set_aside.csv    the patients that no choice has seen; set_aside/ what pipelines.evaluate said of the bundle on them
bundle/          what goes to the clinic
"""

import csv
import hashlib
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from data_schemas.errors import TriageError
from pipelines.cohort import Case, cohort_sha256, together
from pipelines.recipe import Recipe, read_recipe, start_sha256

RECIPE, LOG, OUT_OF_FOLD, BUNDLE = "recipe.yaml", "run.log", "out_of_fold.csv", "bundle"
DATA, ANSWERS = "data.sha256", "answers"
PRETRAINED, TRUNK = "pretrained", "trunk.safetensors"
CALIBRATION = "calibration.svg"
SET_ASIDE, SET_ASIDE_MANIFEST = "set_aside", "set_aside.csv"
LOGIT = ".logit"
"""Behind a finding's name, that of its column of logits."""


@contextmanager
def opened_run(folder: Path, recipe: Recipe, cases: Sequence[Case]) -> Iterator[None]:
    """The folder with its recipe, the hash of its data and its log.

    Raises TriageError where it holds a run of another recipe or of other data, whose answers would be taken for those
    of this one. Recipes are compared by their values: one written before a value existed has the default for it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    told = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)
    kept = folder / RECIPE
    if kept.is_file() and read_recipe(kept) != recipe:
        raise TriageError(f"{folder} holds a run of another recipe; give another folder, or remove that one")
    data, data_kept = data_sha256(cases) + start_sha256(recipe), folder / DATA
    known = data_kept.read_text(encoding="utf-8") if data_kept.is_file() else ""
    if known != data and (known or (folder / ANSWERS).exists()):
        raise TriageError(
            f"{folder} holds a run of other images, other labels or another start; give another folder, or remove "
            "that one"
        )
    kept.write_text(told, encoding="utf-8")
    data_kept.write_text(data, encoding="utf-8")
    log = logging.getLogger("pipelines")
    form = logging.Formatter("%(asctime)s %(message)s")
    handlers = (logging.FileHandler(folder / LOG, encoding="utf-8"), logging.StreamHandler(sys.stderr))
    log.setLevel(logging.INFO)
    for handler in handlers:
        handler.setFormatter(form)
        log.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            log.removeHandler(handler)
            handler.flush()
        handlers[0].close()


def data_sha256(cases: Sequence[Case]) -> str:
    """Over every image and all that is known of it."""
    known = [repr(replace(one, image=Path(one.image.name))) for one in cases]
    return hashlib.sha256(" ".join([cohort_sha256(cases), *known]).encode()).hexdigest()


def write_out_of_fold(
    path: Path,
    cases: Sequence[Case],
    folds: NDArray[np.int64],
    labels: NDArray[np.float32],
    logits: NDArray[np.float64],
    findings: Sequence[str],
) -> None:
    """Each image's label and logit of each finding, the logit by a network that did not see its patient."""
    columns = [column for finding in findings for column in (finding, finding + LOGIT)]
    part = path.with_suffix(".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "patient", "source", "view", "fold", *columns])
        for case, fold, label, logit in zip(cases, folds, labels, logits, strict=True):
            told = [text for pair in zip(label, logit, strict=True) for text in _cells(*pair)]
            writer.writerow([case.image.name, case.patient_id, case.source, case.view, int(fold), *told])
    part.replace(path)


def _cells(label: float, logit: float) -> tuple[str, str]:
    return ("" if np.isnan(label) else str(int(label))), f"{logit:.5f}"


@dataclass(frozen=True)
class Known:
    """Answers about one finding on the n studies whose label is known."""

    logits: NDArray[np.float64]
    positive: NDArray[np.bool_]
    patients: NDArray[np.str_]
    folds: NDArray[np.int64]


@dataclass(frozen=True)
class Answers:
    """out_of_fold.csv: what networks said of n studies of patients that they had not seen."""

    studies: tuple[str, ...]
    """Image, or of slices that are pooled, patient."""
    patients: NDArray[np.str_]
    folds: NDArray[np.int64]
    labels: Mapping[str, NDArray[np.float64]]
    """By finding, (n,): 1, 0 or NaN; of slices that are pooled 1 where one has it, NaN where one is not known."""
    logits: Mapping[str, NDArray[np.float64]]

    def known(self, finding: str) -> Known:
        """Of one finding. Raises TriageError where the file does not hold it."""
        if finding not in self.logits:
            raise TriageError(f"the answers hold no {finding}; give those of this bundle's own run")
        label = self.labels[finding]
        told = ~np.isnan(label)
        return Known(self.logits[finding][told], label[told] == 1, self.patients[told], self.folds[told])


def read_out_of_fold(path: Path, pooled: int | None) -> Answers:
    """The answers of a run's folder, or of its out_of_fold.csv.

    `pooled`: a study's logit is the mean of this many highest ones of its patient's slices, as the product pools; None
    takes each image for itself. Raises TriageError naming the file and what is wrong with it.
    """
    path = path / OUT_OF_FOLD if path.is_dir() else path
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, restval=""))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TriageError(f"{path} cannot be read; give the folder of a finished training run") from error
    findings = [name.removesuffix(LOGIT) for name in (rows[0] if rows else ()) if name and name.endswith(LOGIT)]
    lacking = [name for name in ("image", "patient", "fold", *findings) if not rows or name not in rows[0]]
    if lacking or not findings:
        column = lacking[0] if lacking else f"FINDING{LOGIT}"
        raise TriageError(f"{path} has no row, or no column {column}; give what pipelines.train wrote")
    try:
        return _answers(rows, findings, pooled)
    except ValueError as error:  # its own words hold what stands in the file
        raise TriageError(
            f"{path} holds a value that cannot be used; a label is 1, 0 or empty, a logit a number, a fold a whole one"
        ) from error


def _answers(rows: Sequence[Mapping[str, str]], findings: Sequence[str], pooled: int | None) -> Answers:
    """Raises ValueError for a value that cannot be used."""
    groups: dict[object, list[int]] = {}
    for place, row in enumerate(rows):
        groups.setdefault(place if pooled is None else row["patient"], []).append(place)
    members = list(groups.values())
    labels, logits = {}, {}
    for finding in findings:
        label = np.array([float(row[finding].strip() or "nan") for row in rows])
        logit = np.array([float(row[finding + LOGIT]) for row in rows])
        if not (np.isin(label, (0.0, 1.0)) | np.isnan(label)).all() or not np.isfinite(logit).all():
            raise ValueError(finding)
        labels[finding] = np.array([together(label[some, None])[0] for some in members], np.float64)
        logits[finding] = np.array([np.sort(logit[some])[-(pooled or 1) :].mean() for some in members])
    first = [some[0] for some in members]
    return Answers(
        studies=tuple(rows[place]["image" if pooled is None else "patient"] for place in first),
        patients=np.array([rows[place]["patient"] for place in first]),
        folds=np.array([int(rows[place]["fold"]) for place in first]),
        labels=labels,
        logits=logits,
    )
