"""The same work as documentation shows it: MONAI's own transforms, eager torch, Captum; what is compared with.

LoadImaged with PydicomReader, EnsureChannelFirstd, Resized (area), ScaleIntensityd (or percentiles), the network in
eager float32, Captum's LayerGradCam; one study after the other.
"""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from captum.attr import LayerGradCam
from monai.transforms import (
    Compose,
    EnsureChannelFirstd,
    LoadImaged,
    Resized,
    ScaleIntensityd,
    ScaleIntensityRangePercentilesd,
)
from numpy.typing import NDArray

from data_schemas.bundle import PrepareSpec
from triage.models.networks import MapNetwork


class Textbook:
    """One network behind one chain."""

    def __init__(
        self, network: MapNetwork, layer: str, spec: PrepareSpec, *, percentiles: bool = False, device: str = "cpu"
    ) -> None:
        logging.getLogger("monai").setLevel(logging.ERROR)
        scale = (
            ScaleIntensityRangePercentilesd("image", spec.low_percentile, spec.high_percentile, 0.0, 1.0, clip=True)
            if percentiles
            else ScaleIntensityd("image")
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.chain = Compose(
                [
                    LoadImaged("image", reader="PydicomReader"),
                    EnsureChannelFirstd("image"),
                    Resized("image", (spec.height, spec.width), mode="area"),
                    scale,
                ]
            )
        self.network, self.spec, self.device = network.to(device).eval(), spec, device
        self.gradcam = LayerGradCam(lambda x: self.network(x)[0], self.network.get_submodule(layer))

    def prepare(self, path: Path) -> torch.Tensor:
        """(1, channels, height, width)."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = torch.as_tensor(self.chain({"image": str(path)})["image"]).float()
        normal = (image - self.spec.mean) / self.spec.std
        return normal.repeat(self.spec.channels, 1, 1)[None].to(self.device)

    def score(self, x: torch.Tensor) -> NDArray[np.float32]:
        """Logits (findings,)."""
        with torch.no_grad():
            logits: NDArray[np.float32] = self.network(x)[0][0].cpu().numpy()
        return logits

    def maps(self, x: torch.Tensor, findings: Sequence[int]) -> list[NDArray[np.float32]]:
        """Grad-CAM (h, w) of each of these findings."""
        return [
            self.gradcam.attribute(x, target=finding).clamp(min=0)[0, 0].detach().cpu().numpy() for finding in findings
        ]

    def study(self, path: Path, *, all_maps: bool = False) -> NDArray[np.float32]:
        """The whole path of one file: logits, and the map of the top finding or of all."""
        x = self.prepare(path)
        logits = self.score(x)
        self.maps(x, range(len(logits)) if all_maps else [int(logits.argmax())])
        return logits
