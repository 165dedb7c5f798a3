"""MONAI's networks, cut before their pooling; MONAI is imported when one is named.

In three dimensions they are for training; a bundle holds two-dimensional networks only.
"""

from collections import OrderedDict

from torch import nn

from triage.models.networks.parts import Construct, MapNetwork, without_inplace

RESNET_STAGES = ("conv1", "bn1", "act", "maxpool", "layer1", "layer2", "layer3", "layer4")


def resnet_trunk(depth: int, channels: int, spatial_dims: int) -> nn.Sequential:
    """ResNet of 18, 34 or 50 layers (He et al. 2015, arXiv:1512.03385) up to its last activation."""
    from monai.networks import nets

    construct = {18: nets.resnet18, 34: nets.resnet34, 50: nets.resnet50}[depth]
    whole = construct(
        spatial_dims=spatial_dims,
        n_input_channels=channels,
        conv1_t_stride=2,
        feed_forward=False,
        bias_downsample=False,
    )
    return nn.Sequential(OrderedDict((name, getattr(whole, name)) for name in RESNET_STAGES))


def resnet(depth: int, spatial_dims: int = 2) -> Construct:
    """ResNet of 18, 34 or 50 layers."""

    def construct(findings: int, channels: int, *, dropout: float = 0.0) -> MapNetwork:
        trunk = without_inplace(resnet_trunk(depth, channels, spatial_dims))
        return MapNetwork(trunk, 2048 if depth == 50 else 512, findings, dropout)

    return construct


def densenet(depth: int, spatial_dims: int = 2) -> Construct:
    """DenseNet of 121 or 169 layers (Huang et al. 2016, arXiv:1608.06993)."""

    def construct(findings: int, channels: int, *, dropout: float = 0.0) -> MapNetwork:
        from monai.networks import nets

        of_depth = {121: nets.DenseNet121, 169: nets.DenseNet169}[depth]
        whole = of_depth(spatial_dims=spatial_dims, in_channels=channels, out_channels=1)
        width = whole.class_layers.out.in_features
        trunk = nn.Sequential(OrderedDict(features=whole.features, relu=nn.ReLU()))
        return MapNetwork(without_inplace(trunk), width, findings, dropout)

    return construct


def senet(spatial_dims: int = 2) -> Construct:
    """SE-ResNet-50 (Hu et al. 2017, arXiv:1709.01507)."""

    def construct(findings: int, channels: int, *, dropout: float = 0.0) -> MapNetwork:
        from monai.networks.nets import SEResNet50

        whole = SEResNet50(spatial_dims=spatial_dims, in_channels=channels, num_classes=1)
        trunk = nn.Sequential(OrderedDict((f"layer{stage}", getattr(whole, f"layer{stage}")) for stage in range(5)))
        return MapNetwork(without_inplace(trunk), 2048, findings, dropout)

    return construct


EFFICIENTNET_STAGES = [
    "r1_k3_s11_e1_i32_o16_se0.25",
    "r2_k3_s22_e6_i16_o24_se0.25",
    "r2_k5_s22_e6_i24_o40_se0.25",
    "r3_k3_s22_e6_i40_o80_se0.25",
    "r3_k5_s11_e6_i80_o112_se0.25",
    "r4_k5_s22_e6_i112_o192_se0.25",
    "r1_k3_s11_e6_i192_o320_se0.25",
]
"""MONAI's words for repeats, kernel, stride, expansion, inputs, outputs and squeeze of EfficientNet-B0."""
EFFICIENTNET_PARTS = ("_conv_stem_padding", "_conv_stem", "_bn0", "_swish", "_blocks", "_conv_head", "_bn1")


def efficientnet(width: float, depth: float, spatial_dims: int = 2) -> Construct:
    """EfficientNet (Tan and Le 2019, arXiv:1905.11946): width 1 and depth 1 give B0, 1 and 1.1 B1, 1.1 and 1.2 B2."""

    def construct(findings: int, channels: int, *, dropout: float = 0.2, drop_connect: float = 0.0) -> MapNetwork:
        from monai.networks.nets import EfficientNet

        # MONAI pads for one input size; with one that is a multiple of 32 it is right for every such size
        whole = EfficientNet(
            list(EFFICIENTNET_STAGES),
            spatial_dims=spatial_dims,
            in_channels=channels,
            num_classes=1,
            width_coefficient=width,
            depth_coefficient=depth,
            image_size=224,
            drop_connect_rate=drop_connect,
        )
        whole.set_swish(memory_efficient=False)
        parts = OrderedDict((name, getattr(whole, name)) for name in EFFICIENTNET_PARTS)
        parts["last_activation"] = nn.SiLU()  # the same as _swish, but a module of its own, for Captum
        return MapNetwork(nn.Sequential(parts), whole._fc.in_features, findings, dropout)

    return construct
