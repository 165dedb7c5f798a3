"""Optimisers by name, with smaller steps for layers nearer the image, and layers that are set free in stages."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from data_schemas.errors import TriageError
from triage.models.networks import MapNetwork

OPTIMISERS = ("sgd", "adam", "adamw")
STAGES = 4


def optimiser_by_name(
    name: str, groups: Iterable[dict[str, Any]], *, rate: float, weight_decay: float = 0.0, momentum: float = 0.9
) -> torch.optim.Optimizer:
    """SGD with Nesterov's momentum, Adam (weight decay as a penalty) or AdamW (Loshchilov, Hutter, arXiv:1711.05101).

    `groups` as parameter_groups gives them; what a group states goes before `rate` and `weight_decay`. Raises
    TriageError for an unknown name.
    """
    given = list(groups)
    if name == "sgd":
        nesterov = momentum > 0
        return torch.optim.SGD(given, lr=rate, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay)
    if name == "adam":
        return torch.optim.Adam(given, lr=rate, weight_decay=weight_decay)
    if name == "adamw":
        return torch.optim.AdamW(given, lr=rate, weight_decay=weight_decay)
    raise TriageError(f"Optimiser {name!r} is not known; known are {', '.join(OPTIMISERS)}.")


def stages(network: MapNetwork, count: int = STAGES) -> tuple[tuple[nn.Module, ...], ...]:
    """The trunk's blocks in `count` stages of about as many blocks each, nearest the image first, and the head last.

    Every parameter of the network is in exactly one stage.
    """
    blocks = [block for block in _blocks(network.trunk) if any(True for _ in block.parameters())]
    count = min(count, len(blocks))
    ends = [round(stage * len(blocks) / count) for stage in range(count + 1)]
    trunk = tuple(tuple(blocks[first:last]) for first, last in pairwise(ends))
    return (*trunk, (network.head,))


def _blocks(module: nn.Module) -> Iterable[nn.Module]:
    """What a trunk is a sequence of: sequences within are opened, anything else is one block."""
    for child in module.children():
        if isinstance(child, nn.Sequential):
            yield from _blocks(child)
        else:
            yield child


def parameter_groups(
    network: MapNetwork, rate: float, decay_per_stage: float = 1.0, count: int = STAGES
) -> list[dict[str, Any]]:
    """Groups for an optimiser: the head learns at `rate`, each stage before it at `decay_per_stage` times the next's.

    Norms' weights and biases are in groups without weight decay. Parameters that do not require a gradient are left
    out. Discriminative rates: Howard and Ruder 2018, arXiv:1801.06146.
    """
    groups: list[dict[str, Any]] = []
    found = stages(network, count)
    for place, modules in enumerate(found):
        step = rate * decay_per_stage ** (len(found) - 1 - place)
        moving = [one for module in modules for one in module.parameters() if one.requires_grad]
        kernels, vectors = [one for one in moving if one.ndim > 1], [one for one in moving if one.ndim <= 1]
        name = f"stage {place}" if place < len(found) - 1 else "head"
        if kernels:
            groups.append({"params": kernels, "lr": step, "name": name})
        if vectors:
            groups.append({"params": vectors, "lr": step, "weight_decay": 0.0, "name": f"{name}, vectors"})
    return groups


def free_from(network: MapNetwork, first: int, count: int = STAGES) -> Sequence[nn.Module]:
    """Fixes the stages before `first` and frees the others; first 0 frees all, `count` the head alone.

    Gives the fixed modules: keep them in evaluation mode, or their batch norms go on changing.
    """
    found = stages(network, count)
    for place, modules in enumerate(found):
        for module in modules:
            module.requires_grad_(place >= first)
    return [module for modules in found[:first] for module in modules]
