"""`python -m pipelines.pretrain RECIPE --data DIR --out RUN`: last blocks that know a kind of image before any label.

Two variants of one image are to give features that are alike, those of other images others (SimCLR, Chen et al. 2020,
arXiv:2002.05709; MONAI's ContrastiveLoss). Labels are not looked at, and neither are the patients set aside. What comes
out is where a run may start: `--set start=RUN/trunk.safetensors`.
"""

import logging
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from monai.losses import ContrastiveLoss
from safetensors.torch import save_file
from torch import nn

from data_schemas.errors import TriageError
from pipelines.cohort import set_aside
from pipelines.fit import Images, Rows, Tail, start_network
from pipelines.recipe import Recipe, read_recipe
from pipelines.run_folder import opened_run
from pipelines.train import Run, counted
from pipelines.variants import gather
from triage.models.networks import MapNetwork

said = logging.getLogger("pipelines.pretrain").info
TRUNK = "trunk.safetensors"
TEMPERATURE = 0.2
PROJECTED = 128
"""Values that a projection of the features has, by which they are compared; it is thrown away afterwards."""


def contrast(
    network: MapNetwork, images: Images, rows: Rows, recipe: Recipe, epochs: int, rate: float, device: str
) -> list[float]:
    """Moves the network's last blocks in place; gives the mean loss of each epoch."""
    torch.manual_seed(recipe.seed)
    random = np.random.default_rng(recipe.seed)
    tail = Tail(network.to(device), recipe.fixed_blocks).eval().requires_grad_(False)
    width = network.head.in_features
    projection = nn.Sequential(nn.Linear(width, width // 2), nn.ReLU(), nn.Linear(width // 2, PROJECTED)).to(device)
    moving = tail.moving()
    for parameter in moving:
        parameter.requires_grad_(True)
    optimiser = torch.optim.AdamW([{"params": moving, "lr": rate}, {"params": projection.parameters(), "lr": 1e-3}])
    alike = ContrastiveLoss(temperature=TEMPERATURE)
    told = []
    for _ in range(epochs):
        losses = []
        order = random.permutation(rows)
        for start in range(0, len(order) - recipe.batch + 1, recipe.batch):
            some = order[start : start + recipe.batch]
            first = random.integers(0, len(images.activations), len(some))
            second = (first + random.integers(1, len(images.activations), len(some))) % len(images.activations)
            pair = [
                projection(tail.features(images.drawn(which, some).to(device, memory_format=torch.channels_last)))
                for which in (first, second)
            ]
            value = alike(*pair)
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
            losses.append(float(value.detach()))
        told.append(float(np.mean(losses)))
        said("epoch %d: loss %.4f", len(told), told[-1])
    tail.requires_grad_(False)
    return told


def pretrain(run: Run, epochs: int, rate: float) -> Path:
    """The whole of it for a recipe; gives the file of the trunk. Raises TriageError."""
    task, recipe = run.task, run.recipe
    with opened_run(run.out, recipe):
        cases = task.read(run.data)
        rows = np.flatnonzero(~set_aside(cases, recipe.set_aside))
        if len(rows) < recipe.batch:
            raise TriageError(f"{len(rows)} images are fewer than one batch of {recipe.batch}; set a smaller batch")
        network = start_network(recipe, len(task.targets), task.channels)
        with counted("images seen by the fixed layers", recipe.variants * len(cases)) as ticked:
            images = gather(task, cases, network, recipe, run.variants or run.out / "variants", run.device, ticked)
        contrast(network, images, rows, recipe, epochs, rate, run.device)
        part = run.out / f"{TRUNK}.part"
        save_file({name: value.cpu().contiguous() for name, value in network.trunk.state_dict().items()}, part)
        part.replace(run.out / TRUNK)
    return run.out / TRUNK


def main(
    recipe: Annotated[Path, typer.Argument(help="YAML file, or the name of a shipped recipe: cxr, head_ct, oct.")],
    data: Annotated[Path, typer.Option(help="Folder with manifest.csv and images.")],
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    epochs: Annotated[int, typer.Option(help="Passes over the images.")] = 10,
    rate: Annotated[float, typer.Option(help="Step of the last blocks.")] = 1e-4,
    variants: Annotated[Path | None, typer.Option(help="Folder for what the fixed layers gave, as in train.")] = None,
) -> None:
    """Pretrains the last blocks without labels, and says where they are."""
    try:
        run = Run(read_recipe(recipe), data, out, device=device, variants=variants)
        typer.echo(pretrain(run, epochs, rate))
    except TriageError as error:
        typer.echo(error.sentence, err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
