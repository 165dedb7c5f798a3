"""Moves a network's last blocks without looking at a label: variants of one image are to give features that are alike,
those of other images others (SimCLR, Chen et al. 2020, arXiv:2002.05709; MONAI's ContrastiveLoss).
"""

import logging
from pathlib import Path

import numpy as np
import torch
from monai.losses import ContrastiveLoss
from safetensors.torch import save_file
from torch import nn

from data_schemas.errors import TriageError
from pipelines.fit import Images, Rows, Tail
from pipelines.recipe import Pretraining, Recipe
from triage.models.networks import MapNetwork

said = logging.getLogger("pipelines.contrastive").info
TEMPERATURE = 0.2
PROJECTED = 128
"""Values that a projection of the features has, by which they are compared; it is thrown away afterwards."""


def contrast(
    network: MapNetwork, images: Images, rows: Rows, recipe: Recipe, how: Pretraining, device: str
) -> list[float]:
    """Moves the network's last blocks in place by these images; gives the mean loss of each epoch.

    A variant into which a finding was painted is not like its image, and is left out. Raises TriageError for fewer
    images than a batch.
    """
    unpainted = ~images.painted()
    count = unpainted.sum(axis=0)
    choice = np.argsort(~unpainted, axis=0, kind="stable")  # (variants, images): of each image those to choose from
    rows = rows[count[rows] > 1]
    if len(rows) < recipe.batch:
        raise TriageError(f"{len(rows)} images are fewer than one batch of {recipe.batch}; set a smaller batch")
    torch.manual_seed(recipe.seed)
    random = np.random.default_rng(recipe.seed)
    tail = Tail(network.to(device), recipe.fixed_blocks).eval().requires_grad_(False)
    width = network.head.in_features
    projection = nn.Sequential(nn.Linear(width, width // 2), nn.ReLU(), nn.Linear(width // 2, PROJECTED)).to(device)
    moving = tail.moving()
    for parameter in moving:
        parameter.requires_grad_(True)
    optimiser = torch.optim.AdamW([{"params": moving, "lr": how.rate}, {"params": projection.parameters(), "lr": 1e-3}])
    alike = ContrastiveLoss(temperature=TEMPERATURE)
    told = []
    for _ in range(how.epochs):
        losses = []
        order = random.permutation(rows)
        for start in range(0, len(order) - recipe.batch + 1, recipe.batch):
            some = order[start : start + recipe.batch]
            first = random.integers(0, count[some])
            second = (first + random.integers(1, count[some])) % count[some]
            pair = [
                projection(tail.features(images.drawn(which, some).to(device, memory_format=torch.channels_last)))
                for which in (choice[first, some], choice[second, some])
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


def save_trunk(network: MapNetwork, path: Path) -> None:
    """Sets the trunk down for pipelines.starting_weights.load_trunk, complete or not at all."""
    part = path.with_suffix(".part")
    save_file({name: value.cpu().contiguous() for name, value in network.trunk.state_dict().items()}, part)
    part.replace(path)
