"""`python -m pipelines.volumes RECIPE --data DIR --out RUN`: a network for volumes, cross-validated on whole scans.

Of a task whose slices are pooled, and with `depth` and `whole` in the recipe: a MONAI network in three dimensions, by
name, sees a patient's slices at once. It answers whether that is worth more than slices one by one: pipelines.compare
takes its run beside one of pipelines.train. No bundle comes of it, for the product scores slices.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
import typer
from numpy.typing import NDArray

from data_schemas.errors import TriageError
from pipelines.cohort import Case, folds_by_patient, label_matrix, patients, patients_of, set_aside, together
from pipelines.cross_validation import cross_validate
from pipelines.curves import curves_of, draw_curves
from pipelines.judge import mean_auroc
from pipelines.recipe import changes_of, read_recipe
from pipelines.run_folder import OUT_OF_FOLD, opened_run, write_out_of_fold
from pipelines.starting_weights import set_starting_weights
from pipelines.task import Grey
from pipelines.train import Changes, Run, TensorBoard
from pipelines.whole import WholeNetwork
from triage.models.networks import MapNetwork, build_3d

said = logging.getLogger("pipelines.volumes").info


@dataclass(frozen=True)
class WholeVolumes(WholeNetwork):
    """Fits all layers of a network for volumes; a case is a scan, `slices` are its images as the manifest has them."""

    slices: Sequence[tuple[Path, ...]]

    def read(self, row: int) -> Grey:
        """(slices, rows, columns) 8-bit. Raises TriageError where they differ in size."""
        found = [self.task.grey(path) for path in self.slices[row]]
        if len({one.shape for one in found}) > 1:
            raise TriageError(f"the slices of {self.slices[row][0].name} and those after it differ in size")
        return np.stack(found)

    def changed(self, values: Grey, random: np.random.Generator) -> Grey:
        """Each slice alike, as one scanner and one position would."""
        state = int(random.integers(2**31))
        return np.stack([super(WholeVolumes, self).changed(one, np.random.default_rng(state)) for one in values])

    def prepared(self, values: Grey) -> NDArray[np.float32]:
        """(channels, depth, side, side): slices as the product prepares them, then as many as the recipe says."""
        stacked = np.stack([super(WholeVolumes, self).prepared(one) for one in values], axis=1)
        size = (self.recipe.depth, *stacked.shape[2:])
        wanted: NDArray[np.float32] = F.interpolate(torch.from_numpy(stacked)[None], size, mode="trilinear")[0].numpy()
        return wanted

    def built(self) -> MapNetwork:
        """Random weights, or those of the recipe's `start`. Raises TriageError where others are asked for."""
        if self.how.imagenet:
            raise TriageError("there are no ImageNet weights of networks for volumes; `imagenet: false` does without")
        arguments = {"dropout": self.recipe.dropout}
        network = build_3d(self.recipe.network, len(self.task.targets), self.task.channels, arguments)
        set_starting_weights(network, self.recipe, imagenet=False)
        return network


def scans_of(cases: Sequence[Case]) -> tuple[list[Case], list[tuple[Path, ...]]]:
    """Patients in the order of their first slice, each with what one of its slices has; their images as they come."""
    names = tuple(cases[0].labels) if cases else ()
    groups: dict[str, list[Case]] = {}
    for one in cases:
        groups.setdefault(one.patient_id, []).append(one)
    scans = [
        replace(some[0], labels=dict(zip(names, together(label_matrix(some, names)).tolist(), strict=True)))
        for some in groups.values()
    ]
    return scans, [tuple(one.image for one in some) for some in groups.values()]


def volumes(run: Run) -> dict[str, float]:
    """Cross-validates each `whole` of the recipe; gives its mean AUROC and leaves the best one's answers out of fold.

    Raises TriageError for a recipe or data that cannot be used.
    """
    task, recipe = run.task, run.recipe
    require_volumes(run)
    images = task.read(run.data)
    with opened_run(run.out, recipe, images):
        scans, slices = scans_of(images)
        rows = np.flatnonzero(~set_aside(scans, recipe.set_aside))
        cases = [scans[row] for row in rows]
        findings = tuple(task.targets)
        labels, folds = label_matrix(cases, findings), folds_by_patient(cases, recipe.folds, recipe.seed)
        said("%d scans of %d patients, %d set aside", len(scans), patients(scans), len(scans) - len(rows))
        answers, means = {}, {}
        for number, how in enumerate(recipe.whole, 1):
            way = f"volumes {number}"
            fitter = WholeVolumes(task, scans, recipe, how, run.device, run.out / "pictures", slices)
            curves = curves_of(run.out, way, tensorboard=run.tensorboard)
            folder = run.out / "answers" / way.replace(" ", "_")
            answers[way] = cross_validate(fitter, rows, labels, folds, patients_of(cases), folder, curves)
            means[way] = mean_auroc(answers[way].logits, labels)
            said("%s: mean AUROC %.4f", way, means[way])
        best = max(means, key=lambda way: means[way])
        write_out_of_fold(run.out / OUT_OF_FOLD, cases, folds, labels, answers[best].logits, findings)
        draw_curves(run.out)
    return means


def require_volumes(run: Run) -> None:
    """Raises TriageError for a recipe that asks for no network for volumes, or for a task without slices."""
    if run.task.pooled is None:
        raise TriageError(f"{run.task.name} has no slices that make a volume; each of its images stands for itself")
    if not run.recipe.depth or not run.recipe.whole:
        raise TriageError("the recipe needs `depth`, the slices of the input, and `whole`, how the network is trained")


def main(
    recipe: Annotated[Path, typer.Argument(help="YAML file, or the name of a shipped one: head_ct_volumes.")],
    data: Annotated[Path, typer.Option(help="Folder with manifest.csv and images.")],
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    change: Changes = None,
    tensorboard: TensorBoard = False,
) -> None:
    """Trains a network for volumes, or says in one sentence why not."""
    try:
        asked = read_recipe(recipe, changes_of(change or []))
        means = volumes(Run(asked, data, out, device=device, tensorboard=tensorboard))
    except TriageError as error:
        typer.echo(error.sentence, err=True)
        raise typer.Exit(1) from error
    typer.echo("\n".join(f"{way}: mean AUROC {mean:.3f} of patients not seen" for way, mean in means.items()))


if __name__ == "__main__":
    typer.run(main)
