"""What several networks are made of: a trunk with a linear head, and TensorFlow's padding."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class MapNetwork(nn.Module):
    """A trunk that gives the last activation (n, k, h, w), and a linear head; forward as triage.models.networks says.

    Volumes have one more side throughout: (n, channels, depth, height, width) gives maps (n, findings, d, h, w).
    """

    def __init__(self, trunk: nn.Module, width: int, findings: int, dropout: float) -> None:
        super().__init__()
        self.trunk = trunk
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, findings)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (n, f), maps (n, f, h, w), features (n, k) of x (n, channels, height, width)."""
        return self.outputs(self.trunk(x))

    def outputs(self, activation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, maps and features of the last activation (n, k, h, w)."""
        sides = tuple(range(2, activation.ndim))
        features = activation.mean(dim=sides)
        kernel = self.head.weight[(..., *(None for _ in sides))]
        maps = F.conv2d(activation, kernel) if len(sides) == 2 else F.conv3d(activation, kernel)
        return self.head(self.dropout(features)), maps, features


class BlockTrunk(nn.Module, ABC):
    """A trunk of blocks, of which the first may be kept fixed: what they give is then computed once."""

    @abstractmethod
    def early(self, x: Tensor, blocks: int) -> Tensor:
        """What the stem and the first `blocks` blocks make of x (n, channels, height, width)."""

    @abstractmethod
    def late(self, activation: Tensor, blocks: int) -> Tensor:
        """The last activation from what `early` gave for as many blocks."""

    @abstractmethod
    def behind(self, blocks: int) -> Sequence[nn.Module]:
        """The modules behind the first `blocks` blocks that hold parameters."""

    def forward(self, x: Tensor) -> Tensor:
        """x (n, channels, height, width) to the last activation (n, k, height / 32, width / 32)."""
        return self.late(self.early(x, 0), 0)


Construct = Callable[..., MapNetwork]
"""(findings, channels, *, dropout and what else the network takes) to a randomly initialised network."""


class SameConv(nn.Conv2d):
    """Convolution padded as TensorFlow's SAME: output side = ceil(side / stride), the odd pixel at the far edge."""

    def forward(self, x: Tensor) -> Tensor:
        """x (n, in, height, width) to (n, out, ceil(height / stride), ceil(width / stride))."""
        top_bottom = same_padding(int(x.shape[2]), self.kernel_size[0], self.stride[0])
        left_right = same_padding(int(x.shape[3]), self.kernel_size[1], self.stride[1])
        if top_bottom == left_right and top_bottom[0] == top_bottom[1]:
            return F.conv2d(x, self.weight, self.bias, self.stride, top_bottom[0], self.dilation, self.groups)
        x = F.pad(x, (*left_right, *top_bottom))
        return F.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def same_padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """Pixels added before and after a side, as TensorFlow's SAME does."""
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


def without_inplace(trunk: nn.Module) -> nn.Module:
    """Activations that overwrite their input would overwrite what Captum hooks."""
    for module in trunk.modules():
        if isinstance(module, nn.ReLU | nn.ReLU6):
            module.inplace = False
    return trunk
