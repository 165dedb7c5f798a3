"""Moves a network's last blocks without looking at a label: variants of one image are to give features that are alike,
those of other images others (SimCLR, Chen et al. 2020, arXiv:2002.05709; MONAI's ContrastiveLoss).
"""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from monai.losses import ContrastiveLoss
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from data_schemas.errors import TriageError
from pipelines import checkpoint
from pipelines.fit import Images, Rows, Tail
from pipelines.recipe import Pretraining, Recipe
from triage.models.networks import MapNetwork

said = logging.getLogger("pipelines.contrastive").info
TEMPERATURE = 0.2
PROJECTED = 128
"""Values that a projection of the features has, by which they are compared; it is thrown away afterwards."""
LOSSES = "contrastive_losses"
"""In the head of a trunk's file."""


@dataclass
class Moving:
    """Last blocks on their way, with all that the next epoch needs."""

    tail: Tail
    projection: nn.Module
    optimiser: torch.optim.Optimizer
    random: np.random.Generator
    losses: list[float] = field(default_factory=list)
    """The mean of each epoch."""

    def compared(self, images: Images, which: NDArray[np.int64], rows: Rows, device: str) -> Tensor:
        """(n, PROJECTED): by what one variant of each of these images is compared."""
        x = images.drawn(which, rows).to(device, memory_format=torch.channels_last)
        projected: Tensor = self.projection(self.tail.features(x))
        return projected

    def keep(self, path: Path) -> None:
        """Sets down where it is."""
        drawn = json.dumps(self.random.bit_generator.state)
        checkpoint.keep(path, self._parts(), {"losses": self.losses, "random": drawn})

    def go_on_from(self, path: Path, device: str) -> None:
        """Takes up what an earlier run set down, where it did."""
        found = checkpoint.taken_up(path, self._parts(), device)
        if found is not None:
            self.losses = found["losses"]
            self.random.bit_generator.state = json.loads(found["random"])

    def _parts(self) -> dict[str, checkpoint.Stateful]:
        return {"tail": self.tail, "projection": self.projection, "optimiser": self.optimiser}


def contrast(
    network: MapNetwork,
    images: Images,
    rows: Rows,
    recipe: Recipe,
    how: Pretraining,
    device: str,
    kept: Path,
    watch: Callable[[int, float], None] = lambda epoch, loss: None,
) -> list[float]:
    """Moves the network's last blocks in place by these images; gives the mean loss of each epoch.

    A variant into which a finding was painted is not like its image, and is left out. `kept` is a file from which a
    run that was stopped goes on behind its last epoch; it is gone at the end. `watch` is told of each epoch. Raises
    TriageError for fewer images than a batch.
    """
    unpainted = ~images.painted()
    count = unpainted.sum(axis=0)
    choice = np.argsort(~unpainted, axis=0, kind="stable")  # (variants, images): of each image those to choose from
    rows = rows[count[rows] > 1]
    if len(rows) < recipe.batch:
        raise TriageError(f"{len(rows)} images are fewer than one batch of {recipe.batch}; set a smaller batch")
    moving = begun(network.to(device), recipe, how, device)
    moving.go_on_from(kept, device)
    alike = ContrastiveLoss(temperature=TEMPERATURE)
    while len(moving.losses) < how.epochs:
        told = []
        order = moving.random.permutation(rows)
        for start in range(0, len(order) - recipe.batch + 1, recipe.batch):
            some = order[start : start + recipe.batch]
            first = moving.random.integers(0, count[some])
            second = (first + moving.random.integers(1, count[some])) % count[some]
            value = alike(*(moving.compared(images, choice[one, some], some, device) for one in (first, second)))
            moving.optimiser.zero_grad()
            value.backward()
            moving.optimiser.step()
            told.append(float(value.detach()))
        moving.losses.append(float(np.mean(told)))
        moving.keep(kept)
        said("epoch %d: loss %.4f", len(moving.losses), moving.losses[-1])
        watch(len(moving.losses), moving.losses[-1])
    moving.tail.requires_grad_(False)
    kept.unlink(missing_ok=True)
    return moving.losses


def begun(network: MapNetwork, recipe: Recipe, how: Pretraining, device: str) -> Moving:
    """Before the first epoch: nothing but the last blocks moves, and batch norms keep their statistics."""
    torch.manual_seed(recipe.seed)
    tail = Tail(network, recipe.fixed_blocks).eval().requires_grad_(False)
    width = network.head.in_features
    projection = nn.Sequential(nn.Linear(width, width // 2), nn.ReLU(), nn.Linear(width // 2, PROJECTED)).to(device)
    parameters = tail.moving()
    for parameter in parameters:
        parameter.requires_grad_(True)
    groups = [{"params": parameters, "lr": how.rate}, {"params": projection.parameters(), "lr": 1e-3}]
    return Moving(tail, projection, torch.optim.AdamW(groups), np.random.default_rng(recipe.seed))


def save_trunk(network: MapNetwork, path: Path, losses: Sequence[float]) -> None:
    """Sets the trunk down for pipelines.starting_weights.load_trunk, with each epoch's loss, complete or not at all."""
    part = path.with_suffix(".part")
    tensors = {name: value.cpu().contiguous() for name, value in network.trunk.state_dict().items()}
    save_file(tensors, part, {LOSSES: json.dumps(list(losses))})
    part.replace(path)


def losses_of(path: Path) -> list[float]:
    """The loss of each epoch by which a trunk was made, as save_trunk set it down."""
    with safe_open(path, "pt") as file:
        return [float(loss) for loss in json.loads((file.metadata() or {}).get(LOSSES, "[]"))]
