"""`python -m pipelines.pretrain RECIPE --data DIR --out RUN`: last blocks that know a kind of image before any label.

By pipelines.contrastive, of all images but those of the patients set aside. What comes out is where a run may start:
`--set start=RUN/trunk.safetensors`. A recipe with `pretraining` does it by itself and for each fold anew, so that no
fold's patients are in it; this is for images that are not those of the run.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from data_schemas.errors import TriageError
from pipelines.cohort import set_aside
from pipelines.contrastive import contrast, save_trunk
from pipelines.curves import draw_curves
from pipelines.fit import start_network
from pipelines.recipe import Pretraining, read_recipe
from pipelines.run_folder import TRUNK, opened_run
from pipelines.train import Run, counted
from pipelines.variants import gather


def pretrain(run: Run, how: Pretraining) -> Path:
    """The whole of it for a recipe; gives the file of the trunk. Raises TriageError."""
    task, recipe = run.task, run.recipe.model_copy(update={"pretraining": how})
    cases = task.read(run.data)
    with opened_run(run.out, recipe, cases):
        rows = np.flatnonzero(~set_aside(cases, recipe.set_aside))
        network = start_network(recipe, len(task.targets), task.channels)
        with counted("images seen by the fixed layers", recipe.variants * len(cases)) as ticked:
            images = gather(task, cases, network, recipe, run.variants or run.out / "variants", run.device, ticked)
        losses = contrast(network, images, rows, recipe, how, run.device, run.out / "trunk.pt")
        save_trunk(network, run.out / TRUNK, losses)
        draw_curves(run.out)
    return run.out / TRUNK


def main(
    recipe: Annotated[Path, typer.Argument(help="YAML file, or the name of a shipped recipe: cxr, head_ct, oct.")],
    data: Annotated[Path, typer.Option(help="Folder with manifest.csv and images.")],
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    epochs: Annotated[int, typer.Option(help="Passes over the images.", min=1)] = Pretraining().epochs,
    rate: Annotated[float, typer.Option(help="Step of the last blocks.")] = Pretraining().rate,
    variants: Annotated[Path | None, typer.Option(help="Folder for what the fixed layers gave, as in train.")] = None,
) -> None:
    """Pretrains the last blocks without labels, and says where they are."""
    try:
        run = Run(read_recipe(recipe), data, out, device=device, variants=variants)
        typer.echo(pretrain(run, Pretraining(epochs=epochs, rate=rate)))
    except TriageError as error:
        typer.echo(error.sentence, err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
