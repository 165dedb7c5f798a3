"""Saliency (Simonyan et al. 2014, arXiv:1312.6034) through Captum: what each input pixel does to a logit."""

import cv2
import numpy as np
from numpy.typing import NDArray

from data_schemas.errors import NotFound
from data_schemas.explanation import Explanation, ExplanationHeader
from data_schemas.study import InstanceHeader
from triage.images.geometry import compose
from triage.models.bundle import Bundle
from triage.models.cells import span
from triage.models.prepare import Prepared

METHOD = "saliency"
REDUCTION = 4
"""Input pixels per stored value and side; input sides are multiples of 32."""


def saliency(image: InstanceHeader, bundle: Bundle, prepared: Prepared, finding: str) -> Explanation:
    """The map of one finding: the absolute gradient's maximum over channels, the mean over 4 x 4 input pixels.

    Float32 torch on the CPU with the weights and the tensor of the score, whatever runtime scored; unit: logit per
    unit of normalised input. Imports torch and Captum. Raises NotFound for a finding the bundle does not have.
    """
    names = [spec.name for spec in bundle.manifest.findings]
    if finding not in names:
        raise NotFound(f"Bundle {bundle.manifest.name} has no finding {finding!r}; it has {', '.join(names)}.")
    full = _gradient(bundle, prepared.tensor, names.index(finding))
    height, width = full.shape
    rows, columns = height // REDUCTION, width // REDUCTION
    values = cv2.resize(full, (columns, rows), interpolation=cv2.INTER_AREA)
    header = ExplanationHeader(
        sop_instance_uid=image.sop_instance_uid,
        finding=finding,
        method=METHOD,
        parameters={"absolute": True, "channels": "max", "mean_over_px": REDUCTION},
        bundle=bundle.identity,
        rows=image.rows,
        columns=image.columns,
        to_image=compose(prepared.to_image, span(rows, columns, height, width)),
    )
    return Explanation(header, np.ascontiguousarray(values, dtype=np.float32))


def _gradient(bundle: Bundle, tensor: NDArray[np.float32], output: int) -> NDArray[np.float32]:
    """(height, width): largest absolute gradient over the channels of (channels, height, width)."""
    import torch
    from captum.attr import Saliency

    network = bundle.network()
    x = torch.from_numpy(tensor[None]).requires_grad_()
    gradient = Saliency(lambda batch: network(batch)[0]).attribute(x, target=output, abs=True)
    largest: NDArray[np.float32] = gradient[0].amax(dim=0).detach().numpy()
    return largest
