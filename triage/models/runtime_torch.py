"""Scores through torch: float32 channels-last on the CPU, bfloat16 channels-last on a GPU, and the network itself.

This module imports torch: import it lazily.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors

from data_schemas.bundle import BundleManifest
from data_schemas.errors import BundleError
from triage.models.bundle import (
    TOLERANCE,
    Device,
    RawScores,
    ReferencePass,
    Score,
    difference,
    read_checked,
    read_manifest,
)
from triage.models.networks import MapNetwork, build_for

BFLOAT16_TOLERANCE = 0.25
"""As TOLERANCE, for bfloat16 with its 8 bits of precision: catches a wrong kernel, not rounding."""


def network_from(manifest: BundleManifest, weights: bytes) -> MapNetwork:
    """The manifest's network with these safetensors, float32, on the CPU, in evaluation mode. Raises BundleError."""
    network = build_for(manifest)
    try:
        tensors = {name: tensor.float() for name, tensor in load_tensors(weights).items()}
        missing, unknown = network.load_state_dict(tensors, strict=False)
    except (SafetensorError, RuntimeError) as error:
        raise BundleError(f"Bundle {manifest.name}: the weights do not fit the network: {error}.") from error
    # counters that batch norm keeps for training are not stored
    absent = [name for name in missing if not name.endswith("num_batches_tracked")]
    if absent or unknown:
        fault = f"{absent[0]} is missing" if absent else f"{unknown[0]} is unknown to it"
        raise BundleError(f"Bundle {manifest.name}: the weights do not fit the network: {fault}.")
    return network.eval().requires_grad_(False)


def load_network(directory: Path | str) -> MapNetwork:
    """As network_from, from a bundle directory whose weights' SHA-256 is checked. Raises BundleError."""
    directory = Path(directory)
    manifest = read_manifest(directory)
    weights = read_checked(directory, manifest.network.weights, manifest.network.weights_sha256)
    return network_from(manifest, weights)


def open_torch(
    manifest: BundleManifest, weights: bytes, vector: ReferencePass, device: Device, threads: int | None
) -> Score:
    """A function that scores on `device`, after the test vector went through it. Raises BundleError.

    `threads` sets torch's threads for the whole process; None leaves them.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise BundleError(f"Bundle {manifest.name}: torch finds no GPU here; set the runtime to onnx.")
    if threads is not None:
        torch.set_num_threads(threads)
    network = network_from(manifest, weights).to(device)
    for name, parameter in network.named_parameters():
        if parameter.ndim == 4 and name.startswith("trunk."):
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        _require(manifest, difference(_score(network, vector.input), vector), TOLERANCE, f"torch on {device}")
    if device == "cuda":
        network.trunk.bfloat16()
        _require(manifest, difference(_score(network, vector.input), vector), BFLOAT16_TOLERANCE, "torch in bfloat16")
    return lambda batch: _score(network, batch)


def _require(manifest: BundleManifest, found: float, tolerance: float, where: str) -> None:
    if not found <= tolerance:
        raise BundleError(
            f"Bundle {manifest.name}: {where} gives the test vector with a difference of {found:.2g}, "
            f"more than {tolerance:g}.",
            difference=found,
        )


def _score(network: MapNetwork, batch: NDArray[np.float32]) -> RawScores:
    """Trunk in its own precision, pooling and head in float32."""
    first = next(network.trunk.parameters())
    x = torch.from_numpy(np.ascontiguousarray(batch, dtype=np.float32))
    if first.is_cuda:
        x = x.pin_memory()
    with torch.inference_mode():
        x = x.to(first.device, first.dtype, non_blocking=True).contiguous(memory_format=torch.channels_last)
        outputs = network.outputs(network.trunk(x).float())
        logits, maps, features = (np.ascontiguousarray(part.cpu().numpy()) for part in outputs)
    return RawScores(logits, maps, features)
