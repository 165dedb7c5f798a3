"""Files as others publish them, of random weights whose norms know drawn films in the right range."""

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from data_schemas.bundle import Fit, PrepareSpec
from pipelines.input_range import InputRange
from tests.pipelines.drawn import STATED, film
from triage.images.pixels import picture
from triage.models.prepare import prepare

SIDE = 64


def write_films(folder: Path, count: int = 24) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        cv2.imwrite(str(folder / f"{number:02}.png"), film(number, STATED[number % 8]))
    return folder


def theirs(films: Path, stated: InputRange, channels: int) -> Tensor:
    """The films as the makers of the weights would feed them, (n, channels, SIDE, SIDE)."""
    spec = PrepareSpec(height=SIDE, width=SIDE, fit=Fit.PAD, mean=0.0, std=1.0)
    grey = torch.from_numpy(np.stack([prepare(picture(path), spec).tensor for path in sorted(films.iterdir())]))
    low, high = (torch.tensor(ends).expand(channels)[None, :, None, None] for ends in (stated.low, stated.high))
    return low + (high - low) * grey


def settled(network: nn.Module, x: Tensor) -> nn.Module:
    """Norms remember x; the last layer gives logits of about one."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        network.train()(x)
        last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
        nn.init.normal_(last.weight, std=1 / last.in_features**0.5)
    return network.eval()


def densenet121(films: Path, stated: InputRange, channels: int, outputs: int) -> nn.Module:
    from monai.networks.nets import DenseNet121

    torch.manual_seed(5)
    network = DenseNet121(spatial_dims=2, in_channels=channels, out_channels=outputs)
    return settled(network, theirs(films, stated, channels)[:8])


def torchvision_names(network: nn.Module, head: str) -> dict[str, Tensor]:
    """A MONAI DenseNet's state as torchvision and torchxrayvision name it."""
    state = {re.sub(r"\.layers\.(norm|relu|conv)", r".\1", key): value for key, value in network.state_dict().items()}
    return {key.replace("class_layers.out", head): value for key, value in state.items()}


def write_monai_bundle(folder: Path, network: nn.Module, definition: dict[str, Any]) -> Path:
    """As MONAI's model zoo lays bundles out."""
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    image = {"num_channels": 1, "spatial_shape": [SIDE, SIDE], "value_range": [0, 1]}
    formats = {"inputs": {"image": image}, "outputs": {"pred": {"channel_def": {"0": "Effusion", "1": "Mass"}}}}
    metadata = {"name": "Chest things", "version": "0.3.1", "copyright": "MIT", "network_data_format": formats}
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    config = {"spatial_dims": 2, "network_def": definition, "network": "$@network_def.to(@device)"}
    (folder / "configs" / "inference.json").write_text(json.dumps(config))
    torch.save(network.state_dict(), folder / "models" / "model.pt")
    return folder
