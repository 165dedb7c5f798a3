"""What a training run leaves behind, beside the bundle: recipe, log, learning curves, answers out of fold.

recipe.yaml      what was asked for
run.log          what was said, with times
variants/        what the fixed layers gave (large; `--tidy` removes it)
answers/         per way and fold, what the networks said of patients that they had not seen
curves.csv       per way, fold and epoch: training loss, mean AUROC on the fold's own images
curves.png
out_of_fold.csv  per image: patient, source, view, fold, and of each finding its label and logit
bundle/          what goes to the clinic
"""

import csv
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from data_schemas.errors import TriageError
from pipelines.cohort import Case
from pipelines.recipe import Recipe

RECIPE, LOG, CURVES, OUT_OF_FOLD, BUNDLE = "recipe.yaml", "run.log", "curves.csv", "out_of_fold.csv", "bundle"
CURVE_COLUMNS = ("way", "fold", "epoch", "training_loss", "mean_auroc")


@contextmanager
def opened_run(folder: Path, recipe: Recipe) -> Iterator[None]:
    """The folder with its recipe and its log. Raises TriageError where it holds a run of another recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    told = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)
    kept = folder / RECIPE
    if kept.is_file() and kept.read_text(encoding="utf-8") != told:
        raise TriageError(f"{folder} holds a run of another recipe; give another folder, or remove that one")
    kept.write_text(told, encoding="utf-8")
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


def add_curve(folder: Path, row: Mapping[str, object]) -> None:
    """One more line of curves.csv."""
    path = folder / CURVES
    new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, CURVE_COLUMNS)
        if new:
            writer.writeheader()
        writer.writerow(row)


def draw_curves(folder: Path) -> None:
    """curves.png from curves.csv: one panel for each way, a line for each fold. Nothing where no epoch was trained."""
    if not (folder / CURVES).is_file():
        return
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    with (folder / CURVES).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    ways = sorted({row["way"] for row in rows})
    figure, panels = plt.subplots(len(ways), 2, figsize=(9, 3.2 * len(ways)), squeeze=False, layout="constrained")
    for way, (left, right) in zip(ways, panels, strict=True):
        for fold in sorted({row["fold"] for row in rows if row["way"] == way}):
            mine = [row for row in rows if row["way"] == way and row["fold"] == fold]
            epochs = [int(row["epoch"]) for row in mine]
            left.plot(epochs, [float(row["training_loss"]) for row in mine], label=f"fold {fold}")
            right.plot(epochs, [float(row["mean_auroc"]) for row in mine])
        left.set(title=way, xlabel="epoch", ylabel="training loss")
        right.set(xlabel="epoch", ylabel="mean AUROC, patients not seen")
        left.legend(frameon=False, fontsize=8)
    figure.savefig(folder / "curves.png", dpi=110)
    plt.close(figure)


def write_out_of_fold(
    path: Path,
    cases: Sequence[Case],
    folds: NDArray[np.int64],
    labels: NDArray[np.float32],
    logits: NDArray[np.float64],
    findings: Sequence[str],
) -> None:
    """Each image's label and logit of each finding, the logit by a network that did not see its patient."""
    columns = [column for finding in findings for column in (finding, f"{finding}.logit")]
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
