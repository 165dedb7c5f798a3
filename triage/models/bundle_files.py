"""Writes a bundle directory: what training hands over becomes files, hashes and a MONAI bundle around them.

Imports torch; for pipelines and tests only.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save

from data_schemas.bundle import BundleManifest
from data_schemas.errors import BundleError
from triage.models.bundle import MANIFEST
from triage.models.monai_bundle import inference_config, metadata, readme
from triage.models.networks import TABLE, MapNetwork
from triage.models.ood import Statistics, write_statistics
from triage.models.runtime_torch import network_from


def write_bundle(
    directory: Path,
    manifest: BundleManifest,
    network: MapNetwork,
    statistics: Statistics,
    test_input: NDArray[np.float32] | None = None,
) -> BundleManifest:
    """Write weights, statistics, test vector, MONAI configs, docs and triage.json; give the manifest as written.

    The manifest's hashes and map_layer are filled in here, whatever they held. `test_input` (n, channels, height,
    width): prepared images for the test vector, two of them are enough; without it, smooth noise from a fixed seed.
    The test vector's logits are those of the weights as stored. Files appear under their names only when complete,
    triage.json last. Raises BundleError when a weight does not fit float16 or the network does not fit the manifest.
    """
    weights = pack_weights(network)
    filled = manifest.model_copy(
        update={
            "network": manifest.network.model_copy(
                update={"weights_sha256": _sha256(weights), "map_layer": TABLE[manifest.network.name].map_layer}
            )
        }
    )
    vector = _test_vector(filled, weights, _default_input(filled) if test_input is None else test_input)
    ood = write_statistics(statistics)
    filled = filled.model_copy(
        update={
            "ood": filled.ood.model_copy(update={"statistics_sha256": _sha256(ood)}),
            "test_vector_sha256": _sha256(vector),
        }
    )
    files = {filled.network.weights: weights, filled.ood.statistics: ood, filled.test_vector: vector}
    for name, content in files.items():
        _write(directory / name, content)
    write_manifest(directory, filled)
    return filled


def write_manifest(directory: Path, manifest: BundleManifest) -> None:
    """triage.json and what MONAI is told of the same, each complete or not at all, triage.json last."""
    files: dict[str, bytes] = {
        "configs/metadata.json": _json(metadata(manifest)),
        "configs/inference.json": _json(inference_config(manifest)),
        "docs/README.md": readme(manifest).encode(),
        MANIFEST: _json(manifest.model_dump(mode="json")),
    }
    for name, content in files.items():
        _write(directory / name, content)


def pack_weights(network: MapNetwork) -> bytes:
    """Safetensors: matrices and kernels in float16, vectors (norms, biases) in float32, batch norm's counters left out.

    Vectors stay whole: a running variance may be too small for float16, and they are one part in a hundred.
    Raises BundleError for a weight beyond float16's range or not finite.
    """
    tensors: dict[str, torch.Tensor] = {}
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        stored = tensor.detach().cpu().to(torch.float16 if tensor.ndim > 1 else torch.float32).contiguous()
        if not torch.isfinite(stored).all():
            raise BundleError(f"Weight {name} is not finite in {stored.dtype}; train again with a smaller step.")
        tensors[name] = stored
    return save(tensors)


def _test_vector(manifest: BundleManifest, weights: bytes, test_input: NDArray[np.float32]) -> bytes:
    """Input as float16, and what float32 gives for exactly these stored values."""
    stored = torch.from_numpy(np.ascontiguousarray(test_input, dtype=np.float16))
    with torch.inference_mode():
        logits, maps, _ = network_from(manifest, weights)(stored.float())
    return save({"input": stored, "logits": logits.contiguous(), "maps": maps.contiguous()})


def _default_input(manifest: BundleManifest) -> NDArray[np.float32]:
    """Two pictures of smooth noise in the range of prepared images."""
    prepare = manifest.prepare
    coarse = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    unit = torch.nn.functional.interpolate(coarse, (prepare.height, prepare.width), mode="bilinear")
    unit = unit.expand(-1, prepare.channels, -1, -1)
    values: NDArray[np.float32] = ((unit - prepare.mean) / prepare.std).numpy()
    return values


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)
