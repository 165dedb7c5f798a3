"""Networks with attention: a vision transformer and a hybrid of convolutions and transformer, of MONAI's blocks.

Every part takes and gives a grid (n, k, h, w): tokens are its cells. There is no class token; the head reads the mean
over tokens (as Zhai et al. 2021, arXiv:2106.04560, section 3.3), so that each logit has its map. MONAI's blocks need
the package einops (the extra `more-networks`), and are imported when one of these networks is named.
"""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from data_schemas.errors import BundleError
from triage.models.networks.from_monai import resnet_trunk
from triage.models.networks.parts import Construct, MapNetwork, without_inplace

PATCH = 32
"""Side of a token in pixels; the grid of all networks of the table."""
POSITIONS = 8
"""Tokens along each side whose positions are learnt; other grids read them by linear interpolation."""


class Position(nn.Module):
    """Adds to each cell what is learnt of its place."""

    def __init__(self, width: int, spatial_dims: int) -> None:
        super().__init__()
        self.learnt = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, width, *(POSITIONS,) * spatial_dims), std=0.02))
        self.mode = {2: "bilinear", 3: "trilinear"}[spatial_dims]

    def forward(self, grid: Tensor) -> Tensor:
        """Grid (n, width, h, w) of any sides."""
        sides = [int(side) for side in grid.shape[2:]]
        return grid + F.interpolate(self.learnt, sides, mode=self.mode, align_corners=False)


class OnTokens(nn.Module):
    """A module for (n, tokens, k), applied to the cells of a grid."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, grid: Tensor) -> Tensor:
        """Grid (n, k, h, w), the same out."""
        sides = [int(side) for side in grid.shape[1:]]
        tokens: Tensor = self.inner(grid.flatten(2).transpose(1, 2))
        return tokens.transpose(1, 2).reshape(-1, *sides)


def _encoder(width: int, layers: int, heads: int, dropout: float, spatial_dims: int) -> list[tuple[str, nn.Module]]:
    """Positions, transformer blocks (Dosovitskiy et al. 2020, arXiv:2010.11929) and the last norm."""
    from monai.networks.blocks.transformerblock import TransformerBlock
    from monai.utils import OptionalImportError

    try:
        blocks = [TransformerBlock(width, 4 * width, heads, dropout, qkv_bias=True) for _ in range(layers)]
    except OptionalImportError as error:
        raise BundleError("Networks with attention need einops: pip install 'triage[more-networks]'.") from error
    for block in blocks:
        del block.norm_cross_attn  # MONAI makes it and never uses it
    return [
        ("position", Position(width, spatial_dims)),
        ("blocks", nn.Sequential(*(OnTokens(block) for block in blocks))),
        ("norm", OnTokens(nn.LayerNorm(width))),
    ]


def vit(spatial_dims: int = 2) -> Construct:
    """Vision transformer on patches of 32 pixels, by default of the size called small (width 384, 12 layers)."""

    def construct(
        findings: int, channels: int, *, dropout: float = 0.1, width: int = 384, layers: int = 12, heads: int = 6
    ) -> MapNetwork:
        convolution = nn.Conv2d if spatial_dims == 2 else nn.Conv3d
        patches: nn.Module = convolution(channels, width, PATCH, PATCH)
        encoder = _encoder(width, layers, heads, dropout, spatial_dims)
        return MapNetwork(nn.Sequential(OrderedDict([("patches", patches), *encoder])), width, findings, dropout)

    return construct


def cnn_transformer(
    findings: int, channels: int, *, dropout: float = 0.1, width: int = 384, layers: int = 4, heads: int = 6
) -> MapNetwork:
    """A hybrid: ResNet-18 up to a sixteenth of the input's side, then a transformer on cells of 32 pixels."""
    stages = resnet_trunk(18, channels, 2)[:-1]
    reduce = nn.Conv2d(256, width, 2, 2)
    encoder = _encoder(width, layers, heads, dropout, 2)
    trunk = nn.Sequential(OrderedDict([("stages", without_inplace(stages)), ("reduce", reduce), *encoder]))
    return MapNetwork(trunk, width, findings, dropout)
