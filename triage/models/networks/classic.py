"""Networks that MONAI does not have, as few lines as they take: a small CNN, VGG, Inception and MobileNetV2.

timm and torchvision have the last three, but torchvision cannot be imported beside torch's CPU build, and timm imports
it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from triage.models.networks.lite import rounded
from triage.models.networks.parts import BlockTrunk, MapNetwork, SameConv


def _conv_norm(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution, evenly padded, with batch norm and ReLU."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def small_cnn(findings: int, channels: int, *, dropout: float = 0.3) -> MapNetwork:
    """The textbook's: two convolution blocks and two dense layers.

    The first dense layer acts in every cell of the grid (a 1 x 1 convolution) and the second, the head, on their mean,
    so that any input size works and every logit has its map; a flattened grid would allow neither. Strides are larger
    than the textbook's, so that two blocks reach the grid of the others: a cell sees 47 x 47 pixels.
    """
    blocks = (_conv_norm(channels, 32, 5, 2), nn.MaxPool2d(2), _conv_norm(32, 64, 5, 2), nn.MaxPool2d(4))
    dense = (nn.Conv2d(64, 128, 1), nn.ReLU())
    return MapNetwork(nn.Sequential(*blocks, *dense), 128, findings, dropout)


VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def vgg16(findings: int, channels: int, *, dropout: float = 0.3) -> MapNetwork:
    """VGG-16 with batch norm (Simonyan and Zisserman 2014, arXiv:1409.1556), its dense layers replaced by the mean."""
    blocks: list[nn.Module] = []
    for stage in VGG16:
        for outputs in stage:
            blocks.append(_conv_norm(channels, outputs, 3))
            channels = outputs
        blocks.append(nn.MaxPool2d(2))
    return MapNetwork(nn.Sequential(*blocks), 512, findings, dropout)


class Inception(nn.Module):
    """Four ways side by side, joined along the channels."""

    def __init__(self, inputs: int, one: int, three: tuple[int, int], five: tuple[int, int], pooled: int) -> None:
        super().__init__()
        self.ways = nn.ModuleList(
            [
                _conv_norm(inputs, one, 1),
                nn.Sequential(_conv_norm(inputs, three[0], 1), _conv_norm(three[0], three[1], 3)),
                nn.Sequential(_conv_norm(inputs, five[0], 1), _conv_norm(five[0], five[1], 5)),
                nn.Sequential(nn.MaxPool2d(3, 1, 1), _conv_norm(inputs, pooled, 1)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        """x (n, inputs, h, w) to (n, one + three[1] + five[1] + pooled, h, w)."""
        return torch.cat([way(x) for way in self.ways], dim=1)


def inception(findings: int, channels: int, *, dropout: float = 0.3) -> MapNetwork:
    """Inception v1 (Szegedy et al. 2014, arXiv:1409.4842) with batch norm, without its auxiliary heads."""
    trunk = nn.Sequential(
        _conv_norm(channels, 64, 7, 2),
        nn.MaxPool2d(3, 2, 1),
        _conv_norm(64, 64, 1),
        _conv_norm(64, 192, 3),
        nn.MaxPool2d(3, 2, 1),
        Inception(192, 64, (96, 128), (16, 32), 32),
        Inception(256, 128, (128, 192), (32, 96), 64),
        nn.MaxPool2d(3, 2, 1),
        Inception(480, 192, (96, 208), (16, 48), 64),
        Inception(512, 160, (112, 224), (24, 64), 64),
        Inception(512, 128, (128, 256), (24, 64), 64),
        Inception(512, 112, (144, 288), (32, 64), 64),
        Inception(528, 256, (160, 320), (32, 128), 128),
        nn.MaxPool2d(3, 2, 1),
        Inception(832, 256, (160, 320), (32, 128), 128),
        Inception(832, 384, (192, 384), (48, 128), 128),
    )
    return MapNetwork(trunk, 1024, findings, dropout)


def _conv_relu6(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    convolution = SameConv(inputs, outputs, kernel, stride, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU6())


class InvertedResidual(nn.Module):
    """Wide inside, narrow outside, in the parameter names of torchvision."""

    def __init__(self, inputs: int, outputs: int, stride: int, expand: int) -> None:
        super().__init__()
        inner = inputs * expand
        widen = [_conv_relu6(inputs, inner, 1)] if expand > 1 else []
        narrow = (nn.Conv2d(inner, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.conv = nn.Sequential(*widen, _conv_relu6(inner, inner, 3, stride, inner), *narrow)
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """x (n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        y: Tensor = self.conv(x)
        return x + y if self.skip else y


MOBILE_STAGES = (
    # expansion, outputs, repeats, stride
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class MobileNetV2(BlockTrunk):
    """Trunk of MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381): torchvision's names, TensorFlow's padding."""

    def __init__(self, channels: int, width: float) -> None:
        super().__init__()
        inputs = rounded(32 * width)
        layers: list[nn.Module] = [_conv_relu6(channels, inputs, 3, 2)]
        for expand, plain_outputs, repeats, stride in MOBILE_STAGES:
            outputs = rounded(plain_outputs * width)
            for repeat in range(repeats):
                layers.append(InvertedResidual(inputs, outputs, stride if repeat == 0 else 1, expand))
                inputs = outputs
        layers.append(_conv_relu6(inputs, 1280, 1))
        self.features = nn.Sequential(*layers)

    def early(self, x: Tensor, blocks: int) -> Tensor:
        """What the stem and the first `blocks` blocks make of x (n, channels, height, width)."""
        first: Tensor = self.features[: 1 + blocks](x)
        return first

    def late(self, activation: Tensor, blocks: int) -> Tensor:
        """The last activation from what `early` gave for as many blocks."""
        last: Tensor = self.features[1 + blocks :](activation)
        return last

    def behind(self, blocks: int) -> Sequence[nn.Module]:
        """Later blocks and the last convolution."""
        return list(self.features)[1 + blocks :]


def mobilenet_v2(findings: int, channels: int, *, dropout: float = 0.2, width: float = 1.0) -> MapNetwork:
    """MobileNetV2, for the edge; a width under 1 makes it smaller."""
    return MapNetwork(MobileNetV2(channels, width), 1280, findings, dropout)
