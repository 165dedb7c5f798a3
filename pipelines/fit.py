"""Fits a network to labelled images by transfer learning: the early layers stay, the last ones and the head move.

What the fixed layers give is computed once per image and variant, so that an epoch costs seconds on a processor.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from data_schemas.errors import TriageError
from pipelines.recipe import Recipe
from pipelines.recipe import Tail as TailRecipe
from pipelines.starting_weights import set_starting_weights
from triage.models.networks import BlockTrunk, MapNetwork, build

Watch = Callable[[int, float, MapNetwork], None]
"""Told after each epoch: its number from 1, the mean loss over it, the network as it is then."""
Rows = NDArray[np.intp]
"""Places of images among all of a run."""


class Tail(nn.Module):
    """The part of a network that is trained where its first blocks are fixed: the last blocks and the linear head."""

    def __init__(self, network: MapNetwork, fixed_blocks: int) -> None:
        super().__init__()
        self.trunk, self.fixed_blocks = trunk_of(network), fixed_blocks
        self.dropout, self.head = network.dropout, network.head

    def features(self, activation: Tensor) -> Tensor:
        """(n, k) of what the fixed blocks gave (n, c, h, w)."""
        return self.trunk.late(activation, self.fixed_blocks).mean(dim=(2, 3))

    def forward(self, activation: Tensor) -> Tensor:
        """Logits (n, findings)."""
        logits: Tensor = self.head(self.dropout(self.features(activation)))
        return logits

    def moving(self) -> list[nn.Parameter]:
        """Parameters of the trunk that come after the fixed blocks."""
        return [parameter for part in self.trunk.behind(self.fixed_blocks) for parameter in part.parameters()]


def trunk_of(network: MapNetwork) -> BlockTrunk:
    """The network's trunk. Raises TypeError for one without blocks that can be kept fixed."""
    if not isinstance(network.trunk, BlockTrunk):
        raise TypeError("the network has no blocks to keep fixed; it is trained end to end")
    return network.trunk


def start_network(recipe: Recipe, findings: int, channels: int) -> MapNetwork:
    """A network of blocks with ImageNet weights, or those of the recipe's `start`, and a random head.

    Raises TriageError for a network of another kind, more fixed blocks than it can have, or a `start` that does not
    fit.
    """
    torch.manual_seed(recipe.seed)
    network = build(recipe.network, findings, channels, {"dropout": recipe.dropout})
    if not isinstance(network.trunk, BlockTrunk):
        raise TriageError(f"{recipe.network} has no blocks to keep fixed; give the recipe `whole` to train all of it")
    set_starting_weights(network, recipe, imagenet=True)
    nn.init.normal_(network.head.weight, std=0.01)
    nn.init.zeros_(network.head.bias)
    network.eval()
    require_all_features(network, recipe, channels)
    return network


def require_all_features(network: MapNetwork, recipe: Recipe, channels: int) -> None:
    """Raises TriageError where the head sees what a fixed block gives in between."""
    trunk = trunk_of(network)
    with torch.inference_mode():
        early = trunk.early(torch.zeros(1, channels, 64, 64), recipe.fixed_blocks)
        found = trunk.late(early, recipe.fixed_blocks).shape[1]
    if found != network.head.in_features:
        raise TriageError(
            f"{recipe.fixed_blocks} blocks of {recipe.network} cannot stay fixed, for its head sees what some of them "
            "give; set fewer fixed_blocks"
        )


@dataclass(frozen=True)
class Images:
    """Images as the fixed layers see them, with their labels."""

    activations: Sequence[NDArray[np.float16]]
    """Of each variant (images, c, h, w); may lie on disk."""
    labels: NDArray[np.float32]
    """(variants, images, findings): 1, 0 or NaN; a variant into which a finding was painted has it."""
    sources: NDArray[np.str_]
    """(images,): the collection that each comes from."""

    def aims(self, rows: Rows, recipe: Recipe) -> list[tuple[Tensor, Tensor]]:
        """Of each variant of these images: targets and weights (rows, findings)."""
        found = []
        for number, part in enumerate(self.labels):
            target, weights = targets(part[rows], recipe.smoothing)
            if number == 0:
                weights = weights * recipe.original
            if recipe.balance_sources:
                weights = weights * torch.from_numpy(source_weights(part[rows], self.sources[rows]))
            found.append((target, weights))
        return found

    def painted(self) -> NDArray[np.bool_]:
        """(variants, images): which show a finding that the image itself does not have."""
        found: NDArray[np.bool_] = ((self.labels == 1) & (self.labels[0] == 0)).any(axis=2)
        return found

    def drawn(self, variants: NDArray[np.int64], rows: Rows) -> Tensor:
        """Activations (n, c, h, w), float32, of these images, one variant each."""
        chosen = [self.activations[variant][row] for variant, row in zip(variants, rows, strict=True)]
        return torch.from_numpy(np.stack(chosen).astype(np.float32))


def targets(labels: NDArray[np.float32], smoothing: float) -> tuple[Tensor, Tensor]:
    """Smoothed targets and what each counts: nothing where the label is unknown (NaN), more where it is rare.

    Images with a finding count the root of how many there are without it for each.
    """
    positive = labels == 1
    have, lack = positive.sum(axis=0), (labels == 0).sum(axis=0)
    rarity = np.where(positive, np.sqrt(lack / np.maximum(have, 1)), 1.0)
    target = np.nan_to_num(labels) * (1 - 2 * smoothing) + smoothing
    weights = ~np.isnan(labels) * rarity
    return torch.from_numpy(target.astype(np.float32)), torch.from_numpy(weights.astype(np.float32))


MOST_BALANCE = 4.0
"""No image counts more than this, nor less than one part of it, for its collection's sake."""


def source_weights(labels: NDArray[np.float32], sources: NDArray[np.str_]) -> NDArray[np.float32]:
    """(n, findings): weights under which each finding is as frequent in every collection as in all together, so that
    nothing is won by knowing the collection. One that shows a finding always, or never, is left as it is.
    """
    weights = np.ones_like(labels)
    share = np.nanmean(np.where(np.isnan(labels).all(axis=0), 0.0, labels), axis=0)
    for source in np.unique(sources):
        here = sources == source
        some = labels[here]
        have, known = (some == 1).sum(axis=0), (~np.isnan(some)).sum(axis=0)
        own = have / np.maximum(known, 1)
        both = (have > 0) & (have < known)
        with_it = np.where(both, share / np.where(both, own, 1.0), 1.0)
        without = np.where(both, (1 - share) / np.where(both, 1 - own, 1.0), 1.0)
        weights[here] = np.clip(np.where(some == 1, with_it, without), 1 / MOST_BALANCE, MOST_BALANCE)
    return weights


def loss(logits: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean cross-entropy."""
    each = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (each * weights).sum() / weights.sum().clamp(min=1e-6)


def fit_head(
    tail: Tail, images: Images, features: NDArray[np.float32], rows: Rows, recipe: Recipe, device: str
) -> None:
    """Logistic regression of every finding on these images' features (variants, rows, k), into the tail's head.

    In place. Features are standardised and the squared weights penalised; the scaling is then folded into the head.
    """
    x = torch.from_numpy(np.concatenate(list(features))).to(device)
    target, weights = (torch.cat(part).to(device) for part in zip(*images.aims(rows, recipe), strict=True))
    findings = target.shape[1]
    centre, spread = x.mean(dim=0), x.std(dim=0) + 1e-3
    x = (x - centre) / spread
    weight = torch.zeros(findings, x.shape[1], device=device, requires_grad=True)
    bias = torch.zeros(findings, device=device, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        fit = loss(F.linear(x, weight, bias), target, weights)
        value: Tensor = fit + recipe.penalty * (weight**2).sum() / findings
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        tail.head.weight.copy_(weight / spread)
        tail.head.bias.copy_(bias - (weight / spread) @ centre)


def fit_tail(
    network: MapNetwork,
    images: Images,
    rows: Rows,
    recipe: Recipe,
    how: TailRecipe,
    device: str,
    watch: Watch | None,
) -> None:
    """Trains the network's last blocks and its head, which was fitted before, in place.

    Starting from a fitted head moves the ImageNet features less (Kumar et al. 2022, arXiv:2202.10054). Batch norms
    keep their ImageNet statistics: batches are small and the images few.
    """
    tail = Tail(network, recipe.fixed_blocks)
    torch.manual_seed(recipe.seed)
    random = np.random.default_rng(recipe.seed)
    before = {name: tensor.clone() for name, tensor in tail.state_dict().items()}
    tail.eval().requires_grad_(False)
    head, moving = list(tail.head.parameters()), tail.moving()
    for parameter in (*head, *moving):
        parameter.requires_grad_(True)
    groups = [{"params": head, "lr": how.head_rate}, {"params": moving, "lr": how.rate}]
    optimiser = torch.optim.AdamW(groups, weight_decay=how.weight_decay)
    steps = how.epochs * -(-len(rows) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, [how.head_rate, how.rate], total_steps=steps)
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        for epoch in range(1, how.epochs + 1):
            told = []
            tail.dropout.train()
            for x, target, weights in batches(images, rows, recipe, how.mixup, random, device):
                value = loss(tail(x), target, weights)
                optimiser.zero_grad()
                value.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
                told.append(float(value.detach()))
            tail.eval()
            if watch is not None:
                watch(epoch, float(np.mean(told)), network)
    tail.requires_grad_(False)
    for name, tensor in tail.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.lerp(before[name], tensor, how.way))


def batches(
    images: Images, rows: Rows, recipe: Recipe, mixup: float, random: np.random.Generator, device: str
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """One pass in random order, each image by a variant drawn anew: activations, targets and weights of a batch.

    With `mixup` two images of a batch are mixed, and their targets and weights as well.
    """
    target, weights = (torch.stack(part) for part in zip(*images.aims(rows, recipe), strict=True))
    order = random.permutation(len(rows))
    for start in range(0, len(order), recipe.batch):
        chosen = order[start : start + recipe.batch]
        which = random.integers(0, len(target), len(chosen))
        x = images.drawn(which, rows[chosen])
        y, w = target[which, chosen], weights[which, chosen]
        if mixup:
            share, other = float(random.beta(mixup, mixup)), torch.from_numpy(random.permutation(len(chosen)))
            x, y, w = (share * part + (1 - share) * part[other] for part in (x, y, w))
        yield x.to(device, memory_format=torch.channels_last), y.to(device), w.to(device)


def features_of(tail: Tail, images: Images, rows: Rows, batch: int, device: str) -> NDArray[np.float32]:
    """(variants, n, k) of every variant of these images."""
    numbers = range(len(images.activations))
    return np.stack([tail_outputs(tail, images, rows, number, batch, device)[1] for number in numbers])


def tail_outputs(
    tail: Tail, images: Images, rows: Rows, variant: int, batch: int, device: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits (n, findings) and features (n, k) of one variant of these images."""
    logits, features = [], []
    with torch.inference_mode():
        for start in range(0, len(rows), batch):
            some = rows[start : start + batch]
            x = images.drawn(np.full(len(some), variant), some).to(device, memory_format=torch.channels_last)
            pooled = tail.features(x)
            features.append(pooled.cpu().numpy())
            logits.append(tail.head(pooled).cpu().numpy())
    return np.concatenate(logits), np.concatenate(features)
