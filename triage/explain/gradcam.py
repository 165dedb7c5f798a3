"""Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391) of all findings.

For a network that ends in global average pooling and a linear head, the gradient of a logit by the last activation is
w / (h w) in every cell, so Grad-CAM is the class activation map over h w, after a ReLU: it comes out of the scoring
pass itself. `layer_gradcam` computes the same through Captum, with a gradient; a test holds them equal.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from data_schemas.explanation import Explanation, ExplanationHeader
from data_schemas.study import InstanceHeader
from triage.images.geometry import compose
from triage.models.bundle import Bundle
from triage.models.cells import cells_to_input
from triage.models.prepare import Prepared

if TYPE_CHECKING:
    from triage.models.networks import MapNetwork

METHOD = "gradcam"


def from_activation_maps(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Grad-CAM of class activation maps (..., h, w), same shape, zero or above, in logit per cell."""
    cells = maps.shape[-2] * maps.shape[-1]
    values: NDArray[np.float32] = np.maximum(maps * np.float32(1.0 / cells), np.float32(0.0))
    return values


def activation_maps(
    image: InstanceHeader, bundle: Bundle, prepared: Prepared, maps: NDArray[np.float32]
) -> tuple[Explanation, ...]:
    """Grad-CAM of each finding, in the manifest's order, from one image's maps (findings, h, w) of the scoring pass."""
    manifest = bundle.manifest
    placed = compose(prepared.to_image, cells_to_input(manifest.network.name))
    parameters: dict[str, str | int | float | bool] = {"layer": manifest.network.map_layer, "relu": True}
    return tuple(
        Explanation(
            ExplanationHeader(
                sop_instance_uid=image.sop_instance_uid,
                finding=finding.name,
                method=METHOD,
                parameters=parameters,
                bundle=bundle.identity,
                rows=image.rows,
                columns=image.columns,
                to_image=placed,
            ),
            values,
        )
        for finding, values in zip(manifest.findings, from_activation_maps(maps), strict=True)
    )


def layer_gradcam(network: "MapNetwork", layer: str, tensor: NDArray[np.float32], finding: int) -> NDArray[np.float32]:
    """The same map (h, w) of output `finding` for one input (channels, height, width), through Captum's LayerGradCam.

    Imports torch and Captum. Raises AttributeError when the network has no module named `layer`.
    """
    import torch
    from captum.attr import LayerGradCam

    method = LayerGradCam(lambda x: network(x)[0], network.get_submodule(layer))
    x = torch.from_numpy(tensor[None]).requires_grad_()
    values: NDArray[np.float32] = method.attribute(x, target=finding).clamp(min=0)[0, 0].detach().numpy()
    return values
