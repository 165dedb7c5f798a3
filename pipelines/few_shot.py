"""`python -m pipelines.few_shot RECIPE --data DIR --out RUN`: what a site with little data gets.

A head is fitted to the frozen features of 5, 10, 20 images with and as many without a finding, drawn at random from
the patients of the other folds, and judged on the fold's own; many draws, so that luck is seen. Beside it the head
fitted to all of them. With `pretraining` in the recipe the features are those of a network that saw the other folds'
images without labels: what a site gets that has many images and few labels.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from data_schemas.errors import TriageError
from pipelines.cohort import folds_by_patient, label_matrix, set_aside
from pipelines.fit import Rows, start_network
from pipelines.last_blocks import LastBlocks
from pipelines.metrics import auroc
from pipelines.recipe import Recipe, read_recipe
from pipelines.run_folder import PRETRAINED, opened_run
from pipelines.train import Run, counted
from pipelines.variants import gather

SHOTS = (5, 10, 20)
DRAWS = 20
ALL = "all"


@dataclass(frozen=True)
class Shot:
    """What heads of one size reach for one finding."""

    finding: str
    images: str
    """With the finding, and as many without; or all there are."""
    mean: float
    low: float
    """Of ten draws one is lower."""
    high: float
    draws: int


def few_shot(
    features: NDArray[np.float32],
    labels: NDArray[np.float32],
    folds: NDArray[np.int64],
    findings: Sequence[str],
    recipe: Recipe,
    shots: Sequence[int] = SHOTS,
    draws: int = DRAWS,
) -> list[Shot]:
    """AUROC on patients not seen, of heads on `features`, for each finding and number of images.

    `features` (folds, images, k): of every image by the network of each fold, which knows none of that fold's images.
    """
    told = []
    for column, finding in enumerate(findings):
        known = ~np.isnan(labels[:, column])
        x, y, fold = features[:, known], labels[known, column] == 1, folds[known]
        for count in shots:
            areas = [
                area for draw in range(draws) for area in _areas(x, y, fold, recipe, [recipe.seed, column, draw], count)
            ]
            if areas:
                told.append(_shot(finding, str(count), areas, draws))
        areas = _areas(x, y, fold, recipe, [recipe.seed, column], None)
        if areas:
            told.append(_shot(finding, ALL, areas, 1))
    return told


def _areas(
    x: NDArray[np.float32],
    positive: NDArray[np.bool_],
    folds: NDArray[np.int64],
    recipe: Recipe,
    seed: Sequence[int],
    count: int | None,
) -> list[float]:
    """AUROC of each fold by a head fitted to some of the others' images; folds that have not enough are left out."""
    random = np.random.default_rng(seed)
    found = []
    for fold in np.unique(folds):
        seen, held = folds != fold, folds == fold
        kinds = [np.flatnonzero(seen & kind) for kind in (positive, ~positive)]
        if min(len(kind) for kind in kinds) < (count or 1):
            continue
        if count is not None:
            kinds = [random.choice(kind, count, replace=False) for kind in kinds]
        rows = np.concatenate(kinds)
        head = make_pipeline(StandardScaler(), LogisticRegression(C=_strength(recipe, len(rows)), max_iter=200))
        head.fit(x[fold, rows], positive[rows])
        area = auroc(head.decision_function(x[fold, held]), positive[held])
        if np.isfinite(area):
            found.append(area)
    return found


def _strength(recipe: Recipe, images: int) -> float:
    """The recipe's penalty on mean cross-entropy as scikit-learn counts it: on the sum."""
    return 1 / (2 * recipe.penalty * images)


def _shot(finding: str, images: str, areas: Sequence[float], draws: int) -> Shot:
    low, high = np.percentile(areas, (10, 90))
    return Shot(finding, images, float(np.mean(areas)), float(low), float(high), draws)


def table(shots: Sequence[Shot]) -> str:
    """Markdown: findings down, numbers of images across."""
    columns = list(dict.fromkeys(one.images for one in shots))
    lines = ["| finding | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    by_finding: dict[str, Mapping[str, Shot]] = {}
    for one in shots:
        by_finding[one.finding] = {**by_finding.get(one.finding, {}), one.images: one}
    for finding, found in by_finding.items():
        cells = [
            f"{found[name].mean:.3f} ({found[name].low:.3f} to {found[name].high:.3f})" if name in found else "–"
            for name in columns
        ]
        lines.append(f"| {finding} | " + " | ".join(cells) + " |")
    note = "Mean AUROC on patients not seen; in brackets the middle 80 % of draws and folds."
    return "\n".join([*lines, "", note])


def features_by_fold(fitter: LastBlocks, rows: Rows, folds: NDArray[np.int64]) -> NDArray[np.float32]:
    """(folds, n, k) of the images `rows`; without pretraining each fold's network is the same."""
    if fitter.recipe.pretraining is None:
        one = fitter.outputs(fitter.start, rows, 0)[1]
        return np.broadcast_to(one, (int(folds.max()) + 1, *one.shape))
    numbers = range(int(folds.max()) + 1)
    return np.stack([fitter.outputs(fitter.begun(rows[folds != fold]), rows, 0)[1] for fold in numbers])


def run_few_shot(run: Run, draws: int = DRAWS) -> list[Shot]:
    """The whole of it for a recipe; writes few_shot.csv and few_shot.md. Raises TriageError."""
    task, recipe = run.task, run.recipe
    cases = task.read(run.data)
    with opened_run(run.out, recipe, cases):
        network = start_network(recipe, len(task.targets), task.channels)
        with counted("images seen by the fixed layers", recipe.variants * len(cases)) as ticked:
            images = gather(task, cases, network, recipe, run.variants or run.out / "variants", run.device, ticked)
        rows = np.flatnonzero(~set_aside(cases, recipe.set_aside))
        folds = folds_by_patient([cases[row] for row in rows], recipe.folds, recipe.seed)
        labels = label_matrix(cases, tuple(task.targets))[rows]
        fitter = LastBlocks(network, images, recipe, None, run.device, run.out / PRETRAINED)
        features = features_by_fold(fitter, rows, folds)
        shots = few_shot(features, labels, folds, tuple(task.targets), recipe, draws=draws)
    with (run.out / "few_shot.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["finding", "images", "mean", "low", "high", "draws"])
        writer.writerows(
            [one.finding, one.images, f"{one.mean:.4f}", f"{one.low:.4f}", f"{one.high:.4f}", one.draws]
            for one in shots
        )
    (run.out / "few_shot.md").write_text(table(shots) + "\n", encoding="utf-8")
    return shots


def main(
    recipe: Annotated[Path, typer.Argument(help="YAML file, or the name of a shipped recipe: cxr, head_ct, oct.")],
    data: Annotated[Path, typer.Option(help="Folder with manifest.csv and images.")],
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    draws: Annotated[int, typer.Option(help="Random choices of images for each number.")] = DRAWS,
) -> None:
    """Prints what heads on frozen features reach with few images."""
    try:
        typer.echo(table(run_few_shot(Run(read_recipe(recipe), data, out, device=device), draws)))
    except TriageError as error:
        typer.echo(error.sentence, err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
