"""EfficientNet-Lite (Apache-2.0, Google 2020): relu6, no squeeze and excitation; names of efficientnet-lite-pytorch."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from triage.models.networks.parts import BlockTrunk, Construct, MapNetwork, SameConv


def _norm(channels: int, momentum: float) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=momentum)


class MBConv(nn.Module):
    """Inverted bottleneck without squeeze and excitation, in the parameter names of efficientnet-lite-pytorch."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, expand: int, drop: float, momentum: float
    ) -> None:
        super().__init__()
        inner = inputs * expand
        self.expand = expand > 1
        if self.expand:
            self._expand_conv = nn.Conv2d(inputs, inner, 1, bias=False)
            self._bn0 = _norm(inner, momentum)
        self._depthwise_conv = SameConv(inner, inner, kernel, stride, groups=inner, bias=False)
        self._bn1 = _norm(inner, momentum)
        self._project_conv = nn.Conv2d(inner, outputs, 1, bias=False)
        self._bn2 = _norm(outputs, momentum)
        self.skip = stride == 1 and inputs == outputs
        self.drop = drop

    def forward(self, x: Tensor) -> Tensor:
        """x (n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        inner = F.relu6(self._bn0(self._expand_conv(x))) if self.expand else x
        y: Tensor = self._bn2(self._project_conv(F.relu6(self._bn1(self._depthwise_conv(inner)))))
        if not self.skip:
            return y
        if self.training and self.drop > 0:  # stochastic depth, Huang et al. 2016, arXiv:1603.09382
            keep = (torch.rand(len(x), 1, 1, 1, device=x.device, dtype=x.dtype) >= self.drop).to(x.dtype)
            y = y * keep / (1 - self.drop)
        return x + y


STAGES = (
    # repeats, kernel, stride, expansion, outputs
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""EfficientNet-B0's stages (Tan and Le 2019, arXiv:1905.11946)."""
MIDDLE = (3, 4)
"""Those at a sixteenth of the input's side."""


class EfficientNetLite(BlockTrunk):
    """Trunk of an EfficientNet-Lite. Width and depth 1 and 1 give Lite0, 1 and 1.1 Lite1, 1.1 and 1.2 Lite2.

    Unlike EfficientNet, neither the stem (32) nor the last convolution (1280) is widened, and neither the first nor the
    last stage is repeated more often.

    With `stages` the middle stages' activations stand before the last one, averaged to its grid: small things are
    still told there. A mean over that grid is the mean over their own, so a linear head stays linear in what each
    place holds.
    """

    def __init__(
        self,
        channels: int,
        drop_connect: float,
        bn_momentum: float,
        width: float = 1.0,
        depth: float = 1.0,
        *,
        stages: bool = False,
    ) -> None:
        super().__init__()
        self.middle = tuple(rounded(width * STAGES[place][4]) for place in MIDDLE) if stages else ()
        self.width = 1280 + sum(self.middle)
        self._conv_stem = SameConv(channels, 32, 3, 2, bias=False)
        self._bn0 = _norm(32, bn_momentum)
        ends = (0, len(STAGES) - 1)
        repeats = [n if place in ends else math.ceil(depth * n) for place, (n, *_) in enumerate(STAGES)]
        total, inputs = sum(repeats), 32
        blocks: list[nn.Module] = []
        for times, (_, kernel, stride, expand, plain_outputs) in zip(repeats, STAGES, strict=True):
            outputs = rounded(width * plain_outputs)
            for repeat in range(times):
                drop = drop_connect * len(blocks) / total
                step = stride if repeat == 0 else 1
                blocks.append(MBConv(inputs, outputs, kernel, step, expand, drop, bn_momentum))
                inputs = outputs
        self._blocks = nn.Sequential(*blocks)
        self._conv_head = nn.Conv2d(inputs, 1280, 1, bias=False)
        self._bn1 = _norm(1280, bn_momentum)
        self.last_activation = nn.ReLU6()
        self.joined = nn.Identity()  # its output is what the head sees: for hooks

    def early(self, x: Tensor, blocks: int) -> Tensor:
        """What the stem and the first `blocks` blocks make of x (n, channels, height, width)."""
        first: Tensor = self._blocks[:blocks](F.relu6(self._bn0(self._conv_stem(x))))
        return first

    def late(self, activation: Tensor, blocks: int) -> Tensor:
        """The last activation from what `early` gave for as many blocks, those of the middle stages at most."""
        found: list[Tensor] = []
        for block in list(self._blocks)[blocks:]:
            further: Tensor = block(activation)
            if activation.shape[1] in self.middle and further.shape[1] != activation.shape[1]:
                found.append(F.avg_pool2d(activation, 2))
            activation = further
        last: Tensor = self.last_activation(self._bn1(self._conv_head(activation)))
        joined: Tensor = self.joined(torch.cat([*found, last], dim=1) if found else last)
        return joined

    def behind(self, blocks: int) -> Sequence[nn.Module]:
        """Later blocks, the last convolution and its norm."""
        return [*list(self._blocks)[blocks:], self._conv_head, self._bn1]


def rounded(channels: float) -> int:
    """The nearest multiple of 8 that is not more than a tenth smaller, as TensorFlow's networks are widened."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def efficientnet_lite(width: float, depth: float, *, stages: bool = False) -> Construct:
    """EfficientNet-Lite of this width and depth, whose head sees the middle stages too where `stages` says so."""

    def construct(
        findings: int, channels: int, *, dropout: float = 0.2, drop_connect: float = 0.0, bn_momentum: float = 0.01
    ) -> MapNetwork:
        trunk = EfficientNetLite(channels, drop_connect, bn_momentum, width, depth, stages=stages)
        return MapNetwork(trunk, trunk.width, findings, dropout)

    return construct
