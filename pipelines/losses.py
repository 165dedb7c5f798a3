"""Losses by name for findings that are present, absent, graded or unknown.

A loss takes logits (n, findings) and targets (n, findings), 0 to 1 or NaN where a label is unknown, and gives the mean
over what is known; a batch that knows nothing gives 0, with a gradient of 0.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from data_schemas.errors import TriageError

Loss = Callable[[Tensor, Tensor], Tensor]
Each = Callable[[Tensor, Tensor], Tensor]
"""Loss of each entry, of the shape of its logits and targets, none of which is NaN."""


def _cross_entropy(gamma: float) -> Each:
    del gamma
    return lambda logits, targets: F.binary_cross_entropy_with_logits(logits, targets, reduction="none")


def _focal(gamma: float) -> Each:
    from monai.losses import FocalLoss

    focal: Each = FocalLoss(gamma=gamma, reduction="none")
    return focal


def _squared(gamma: float) -> Each:
    del gamma
    return lambda logits, targets: F.mse_loss(torch.sigmoid(logits), targets, reduction="none")


LOSSES: Mapping[str, Callable[[float], Each]] = {"cross_entropy": _cross_entropy, "focal": _focal, "mse": _squared}
"""cross_entropy: of each finding by itself, for several may be present. focal: the same with less weight on what is
told easily (Lin et al. 2017, arXiv:1708.02002). mse: of the probability, for a score graded 0 to 1 (grade over the
highest grade)."""


def loss_by_name(
    name: str, *, smoothing: float = 0.0, positive_weights: Tensor | None = None, gamma: float = 2.0
) -> Loss:
    """The loss of this name.

    `smoothing` moves targets that far towards the middle: 0 becomes smoothing / 2 and 1 becomes 1 - smoothing / 2
    (Szegedy et al. 2015, arXiv:1512.00567). `positive_weights` (findings,) is how many times an image with the finding
    counts, see imbalance_weights. `gamma` is the focal loss's. Raises TriageError for an unknown name or a smoothing
    outside 0 to 1.
    """
    if name not in LOSSES:
        raise TriageError(f"Loss {name!r} is not known; known are {', '.join(LOSSES)}.")
    if not 0.0 <= smoothing < 1.0:
        raise TriageError(f"A label smoothing of {smoothing:g} is not within 0 and 1.")
    each = LOSSES[name](gamma)

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        known = ~torch.isnan(targets)
        stated = torch.where(known, targets, torch.zeros_like(targets))
        values = each(logits, stated * (1.0 - smoothing) + smoothing / 2)
        if positive_weights is not None:
            values = values * (1.0 + stated * (positive_weights.to(values) - 1.0))
        return (values * known).sum() / known.sum().clamp(min=1)

    return loss


def imbalance_weights(labels: NDArray[np.floating], most: float = 20.0) -> Tensor:
    """How many images without each finding there are for one with it, (findings,), within 1 / most and most.

    labels (n, findings): 1, 0 or NaN where unknown. A finding that nobody has, or everybody, weighs 1.
    """
    with_it, without = (labels == 1).sum(axis=0), (labels == 0).sum(axis=0)
    both = (with_it > 0) & (without > 0)
    ratios = np.where(both, without / np.maximum(with_it, 1), 1.0)
    return torch.from_numpy(np.clip(ratios, 1.0 / most, most).astype(np.float32))
