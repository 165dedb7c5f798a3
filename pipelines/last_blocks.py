"""Fits a network's head, and where it is asked for its last blocks, with or without labels, to images of a run."""

import copy
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.contrastive import contrast, save_trunk
from pipelines.fit import Images, Rows, Tail, Watch, features_of, fit_head, fit_tail, tail_outputs
from pipelines.recipe import Recipe
from pipelines.recipe import Tail as TailRecipe
from pipelines.starting_weights import load_trunk
from triage.models.networks import MapNetwork


@dataclass(frozen=True)
class LastBlocks:
    """Fits the head, and where `how` says so the last blocks, to activations that were computed once."""

    start: MapNetwork
    images: Images
    recipe: Recipe
    how: TailRecipe | None
    device: str
    pretrained: Path
    """Folder of what pretraining left, where the recipe asks for it; ways that differ after it share it."""
    features: NDArray[np.float32] | None = None
    """(variants, images, k): what `start` makes of all images, where nothing is pretrained; ways share it."""

    @property
    def variants(self) -> int:
        """How many there are of each image."""
        return len(self.images.activations)

    def fit(self, rows: Rows, watch: Watch | None = None) -> MapNetwork:
        """A copy of the network that it starts from, fitted to these images."""
        network = self.begun(rows)
        tail = Tail(network, self.recipe.fixed_blocks).eval()
        if self.features is not None:
            features = self.features[:, rows]
        else:
            features = features_of(tail, self.images, rows, self.recipe.batch, self.device)
        fit_head(tail, self.images, features, rows, self.recipe, self.device)
        if self.how is not None:
            fit_tail(network, self.images, rows, self.recipe, self.how, self.device, watch)
        return network

    def begun(self, rows: Rows) -> MapNetwork:
        """A copy of the network that it starts from, its last blocks moved by these images alone, without labels, where
        the recipe asks for it. What was left by doing so before is loaded.
        """
        network = copy.deepcopy(self.start).to(self.device).eval()
        if self.recipe.pretraining is None:
            return network
        path = self.pretrained / f"{hashlib.sha256(rows.tobytes()).hexdigest()[:16]}.safetensors"
        if path.is_file():
            load_trunk(path, network)
            return network
        going = path.with_suffix(".pt")
        losses = contrast(network, self.images, rows, self.recipe, self.recipe.pretraining, self.device, going)
        save_trunk(network, path, losses)
        return network

    def painted(self, rows: Rows, variant: int) -> NDArray[np.bool_]:
        """(n,): which of these images' variants show a finding that the image does not have."""
        found: NDArray[np.bool_] = self.images.painted()[variant, rows]
        return found

    def outputs(self, network: MapNetwork, rows: Rows, variant: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits (n, findings) and features (n, k) of one variant of these images."""
        tail = Tail(network, self.recipe.fixed_blocks).eval()
        return tail_outputs(tail, self.images, rows, variant, self.recipe.batch, self.device)
