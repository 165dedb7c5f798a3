"""The numbers that a foreign network was trained on, and whether they can be what someone says they are.

A network scored in the wrong range answers every image alike (torchxrayvision, issue 89). What its first batch norm
remembers of its training images, the mean and variance of each channel after the first convolution, tells the range.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from data_schemas.errors import TriageError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class InputRange:
    """What black and white become, for each channel or for all; a grey value between lies between."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    words: str

    @property
    def mean(self) -> float:
        """Of PrepareSpec: the grey, 0 to 1, that becomes 0, on average over channels."""
        return -self.middle_low / (self.middle_high - self.middle_low)

    @property
    def std(self) -> float:
        """Of PrepareSpec: the step of grey, 0 to 1, that becomes 1, on average over channels."""
        return 1.0 / (self.middle_high - self.middle_low)

    @property
    def middle_low(self) -> float:
        """What black becomes, on average over channels."""
        return sum(self.low) / len(self.low)

    @property
    def middle_high(self) -> float:
        """What white becomes, on average over channels."""
        return sum(self.high) / len(self.high)


def from_to(low: float, high: float) -> InputRange:
    """Black becomes `low` and white `high`. Raises TriageError where they are not in order."""
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise TriageError(f"The input range {low:g} to {high:g} is not from a lower to a higher number.")
    return InputRange((low,), (high,), f"{low:g} to {high:g}")


IMAGENET = InputRange(
    low=tuple(-mean / std for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)),
    high=tuple((1 - mean) / std for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)),
    words="ImageNet's mean and deviation",
)
USUAL = (from_to(-1024, 1024), from_to(0, 255), from_to(-1, 1), from_to(0, 1), IMAGENET)


@dataclass(frozen=True)
class Stem:
    """First convolution and what the batch norm behind it remembers. One channel for a grey image, or three."""

    kernel: Tensor
    """(out, channels, k, k)"""
    mean: Tensor
    """(out,)"""
    variance: Tensor
    """(out,)"""
    stride: int


def one_channel(stem: Stem, stated: InputRange) -> tuple[Tensor, Tensor]:
    """Kernel (out, 1, k, k) and the norm's mean (out,) that do for one normalised grey channel what the stem does.

    A grey image repeated over three channels, each with a mean and deviation of its own, is one channel with the sum of
    the kernels, each scaled, and a constant that the norm's mean takes up. Exact, but where the kernel reaches over the
    border: there the picture is continued in the grey of the average mean and not in one grey per channel.
    """
    channels = stem.kernel.shape[1]
    low = torch.tensor(stated.low).expand(channels)
    high = torch.tensor(stated.high).expand(channels)
    scale = (high - low) * stated.std
    shift = low + (high - low) * stated.mean
    kernel = (stem.kernel * scale[None, :, None, None]).sum(dim=1, keepdim=True)
    constant = (stem.kernel.sum(dim=(2, 3)) * shift).sum(dim=1)
    return kernel, stem.mean - constant


LARGEST_RATIO = 4.0
"""Of the variance behind the first convolution to the norm's, its median over channels, or its inverse."""
LARGEST_SHIFT = 1.0
"""Of the mean there from the norm's, in the norm's deviations, its median over channels."""
NEARER = 0.4
"""By how much another usual range must fit better, in the sum of shift and logarithm of the ratio, to be believed more
than the stated one. Measured with ImageNet weights of EfficientNet-Lite0, 1, 2 and MobileNetV2 on 25 chest radiographs:
the right range gave sums of 0.36 to 1.42, the nearest wrong one between 0.5 and 1.9 more."""
EVEN_SHARE = 4
"""One channel in so many is looked at: those whose kernel answers most to an even grey. What edges give depends on how
sharp the images are, what grey gives on their range alone."""


def misfit(stem: Stem, grey: Tensor, stated: InputRange) -> tuple[float, float]:
    """Variance ratio and shift, as LARGEST_RATIO and LARGEST_SHIFT say, of images grey (n, 1, h, w), 0 to 1."""
    kernel, mean = one_channel(stem, stated)
    x = (grey - stated.mean) / stated.std
    inside = torch.nn.functional.conv2d(x, kernel, stride=stem.stride)  # unpadded: borders are not the question
    alive = stem.variance > 1e-4 * stem.variance.median()
    even = kernel.sum(dim=(1, 2, 3)).square() / kernel.square().sum(dim=(1, 2, 3)).clamp(min=1e-30) * alive
    chosen = even.topk(max(len(even) // EVEN_SHARE, 1)).indices
    found, remembered = inside.var(dim=(0, 2, 3))[chosen], stem.variance[chosen].clamp(min=1e-30)
    shift = (inside.mean(dim=(0, 2, 3)) - mean)[chosen].abs() / remembered.sqrt()
    return float((found / remembered).clamp(min=1e-30).log().median().exp()), float(shift.median())


def fits(found: tuple[float, float]) -> bool:
    """True where the images can be like those that the norm has seen."""
    ratio, shift = found
    return 1 / LARGEST_RATIO <= ratio <= LARGEST_RATIO and shift <= LARGEST_SHIFT


def check_range(stem: Stem, grey: Tensor, stated: InputRange) -> None:
    """Raises TriageError, naming the range that fits, when the norm has not seen images prepared as stated."""
    channels = stem.kernel.shape[1]
    if len(stated.low) not in (1, channels):
        raise TriageError(f"{stated.words} are of {len(stated.low)} channels, these weights take {channels}.")
    found = misfit(stem, grey, stated)
    usual = [other for other in USUAL if len(other.low) in (1, channels) and other.words != stated.words]
    others = {other.words: misfit(stem, grey, other) for other in usual}
    best = min(others, key=lambda words: _distance(others[words]))
    if fits(found) and _distance(found) <= _distance(others[best]) + NEARER:
        return
    hint = f"; {best} fits" if fits(others[best]) else ""
    raise TriageError(
        f"The input range {stated.words} is not what these weights were trained on: behind the first convolution the "
        f"images' variance is {found[0]:.2g} times what the batch norm remembers, their mean {found[1]:.2g} deviations "
        f"away{hint}. State the range with --input-range."
    )


def _distance(found: tuple[float, float]) -> float:
    return abs(math.log(found[0])) + found[1]
