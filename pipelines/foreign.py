"""Weights that others trained, from a local file: read without running anything in it, in the names of our networks.

Layouts: DenseNet-121 in torchvision's and torchxrayvision's names, and the MONAI networks that a MONAI bundle names.
"""

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from data_schemas.errors import TriageError
from pipelines.input_range import InputRange, Stem, one_channel
from triage.models.networks import MapNetwork, build


@dataclass(frozen=True)
class Layout:
    """How a network of ours is called elsewhere: its last linear layer, its first convolution and norm."""

    network: str
    heads: tuple[str, ...]
    """Any of these."""
    stem: str
    norm: str


DENSENET_HEADS = ("classifier", "classifier.0", "classifier.1", "class_layers.out")
DENSENET121 = Layout("densenet121", DENSENET_HEADS, "features.conv0", "features.norm0")
LAYOUTS: Mapping[str, Layout] = {
    "DenseNet121": DENSENET121,
    "DenseNet169": replace(DENSENET121, network="densenet169"),
    "resnet18": Layout("resnet18", ("fc",), "conv1", "bn1"),
    "resnet34": Layout("resnet34", ("fc",), "conv1", "bn1"),
    "resnet50": Layout("resnet50", ("fc",), "conv1", "bn1"),
    "SEResNet50": Layout("senet", ("last_linear",), "layer0.conv1", "layer0.bn1"),
    "EfficientNetBN": Layout("efficientnet_b0", ("_fc",), "_conv_stem", "_bn0"),
}
"""By MONAI's name. EfficientNet-B0 only: MONAI pads the others for sides that are no multiple of 32."""


@dataclass(frozen=True)
class Foreign:
    """Weights in the names of their layout, with their head and what they say of thresholds."""

    layout: Layout
    tensors: Mapping[str, Tensor]
    """Of the trunk, in MONAI's names."""
    weight: Tensor
    """(outputs, width)"""
    bias: Tensor
    """(outputs,)"""
    thresholds: tuple[float, ...] | None
    """Probability from which each output acts (torchxrayvision's op_threshs); NaN where there is none."""

    @property
    def stem(self) -> Stem:
        """The first convolution and its norm."""
        return Stem(
            kernel=self.tensors[f"{self.layout.stem}.weight"],
            mean=self.tensors[f"{self.layout.norm}.running_mean"],
            variance=self.tensors[f"{self.layout.norm}.running_var"],
            stride=2,
        )


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of one that torch.load reads with weights_only; float32.

    A checkpoint's `state_dict` or `model` is taken, and the prefixes `module.` and `model.` are left out. Raises
    TriageError for a file that is neither; code in it is never run.
    """
    if not path.is_file():
        raise TriageError(f"{path.name} is not a file here; name a local file of weights.")
    try:
        whole: Any = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except pickle.UnpicklingError as error:
        raise TriageError(
            f"{path.name} holds more than weights and is not opened, for it could run code; save the network's "
            "state_dict() where it was made, best as safetensors."
        ) from error
    except (SafetensorError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise TriageError(f"{path.name} is neither safetensors nor weights that torch can read.") from error
    for name in ("state_dict", "model", "model_state_dict"):
        if isinstance(whole, Mapping) and isinstance(whole.get(name), Mapping):
            whole = whole[name]
    if not isinstance(whole, Mapping):
        raise TriageError(f"{path.name} holds no table of tensors; save the network's state_dict().")
    found = {re.sub(r"^(module\.|model\.)+", "", str(key)): value for key, value in whole.items()}
    tensors = {key: value.float() for key, value in found.items() if isinstance(value, Tensor)}
    if not tensors:
        raise TriageError(f"{path.name} holds no tensors.")
    return tensors


OLD_NAMES = re.compile(r"(denselayer\d+)\.(?:layers\.)?(norm|relu|conv)\.?([12])\.")


def foreign(tensors: Mapping[str, Tensor], layout: Layout, name: str) -> Foreign:
    """Weights in a layout; `name` is the file's, for messages. Raises TriageError where the head or the stem is not."""
    renamed = {OLD_NAMES.sub(r"\1.layers.\2\3.", key): value for key, value in tensors.items()}
    thresholds = renamed.pop("op_threshs", None)
    head = next((head for head in layout.heads if f"{head}.weight" in renamed), None)
    if head is None or f"{head}.bias" not in renamed:
        raise TriageError(f"{name} has no last layer {' or '.join(layout.heads)} with weight and bias.")
    for part in (f"{layout.stem}.weight", f"{layout.norm}.running_mean", f"{layout.norm}.running_var"):
        if part not in renamed:
            raise TriageError(f"{name} has no {part}; it is no {layout.network} in a naming that is known here.")
    weight, bias = renamed.pop(f"{head}.weight"), renamed.pop(f"{head}.bias")
    if thresholds is not None and thresholds.shape != bias.shape:
        raise TriageError(f"{name} has {thresholds.numel()} thresholds for {len(bias)} outputs.")
    trunk = {key: value for key, value in renamed.items() if not key.endswith("num_batches_tracked")}
    stated = None if thresholds is None else tuple(float(value) for value in thresholds)
    return Foreign(layout, _without_biases(trunk), weight, bias, stated)


def _without_biases(trunk: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """MONAI's ResNets may have a bias before a norm: the norm's mean takes it up."""
    found = dict(trunk)
    for key in [key for key in found if key.endswith("downsample.0.bias")]:
        mean = key.replace("downsample.0.bias", "downsample.1.running_mean")
        if mean in found:
            found[mean] = found[mean] - found.pop(key)
    return found


def our_network(source: Foreign, kept: list[int], stated: InputRange, name: str) -> MapNetwork:
    """Our network for one grey channel prepared with the stated range's mean and std; outputs `kept` in this order.

    Raises TriageError naming the first tensor that is missing, left over or of another shape.
    """
    layout = source.layout
    kernel, mean = one_channel(source.stem, stated)
    tensors = {**source.tensors, f"{layout.stem}.weight": kernel, f"{layout.norm}.running_mean": mean}
    network = build(layout.network, len(kept), 1)
    if source.weight.shape[1] != network.head.in_features:
        raise TriageError(f"{name} has {source.weight.shape[1]} features before its outputs; {layout.network} has not.")
    try:
        missing, unknown = network.trunk.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        first = str(error).strip().splitlines()[-1].strip()
        raise TriageError(f"{name} does not fit {layout.network}: {first}") from error
    absent = [key for key in missing if not key.endswith("num_batches_tracked")]
    if absent or unknown:
        fault = f"{absent[0]} is missing" if absent else f"{unknown[0]} is unknown to it"
        raise TriageError(f"{name} does not fit {layout.network}: {fault}.")
    with torch.no_grad():
        network.head.weight.copy_(source.weight[kept])
        network.head.bias.copy_(source.bias[kept])
    return _evaluating(network)


def _evaluating(network: MapNetwork) -> MapNetwork:
    module: nn.Module = network.eval().requires_grad_(False)
    assert isinstance(module, MapNetwork)
    return module
