"""A bundle directory, checked and ready to score. What it may hold is data_schemas/bundle.py.

Nothing in a bundle is executed: the network is named from our table, weights are safetensors, the rest is plain
values. On the CPU runtime neither torch nor MONAI is imported, unless the ONNX file must be built, which a child
process does.
"""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors

from data_schemas.bundle import BundleManifest, Values
from data_schemas.errors import BundleError
from data_schemas.score import BundleIdentity
from triage.models.cells import CELLS, STRIDE
from triage.models.evidence import check_evidence
from triage.models.ood import Statistics, distance, read_statistics

if TYPE_CHECKING:
    from triage.models.networks import MapNetwork

MANIFEST = "triage.json"
TOLERANCE = 1e-4
"""Largest difference of a logit between a float32 runtime and the test vector, over the largest logit where above 1."""
RuntimeName = Literal["onnx", "torch"]
Device = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class RawScores:
    """One pass over n images, float32."""

    logits: NDArray[np.float32]
    """(n, findings)"""
    maps: NDArray[np.float32]
    """(n, findings, h, w): class activation maps; mean + bias of the head = logit. Their grid: triage.models.cells."""
    features: NDArray[np.float32]
    """(n, k): the pooled last activation."""


Score = Callable[[NDArray[np.float32]], RawScores]
"""Input (n, channels, height, width) float32 to RawScores. Safe to call from several threads."""


@dataclass(frozen=True)
class ReferencePass:
    """An input and what it must give: the stored test vector."""

    input: NDArray[np.float32]
    logits: NDArray[np.float32]
    maps: NDArray[np.float32]


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files, schema and runtime have been checked."""

    manifest: BundleManifest
    identity: BundleIdentity
    directory: Path
    runtime: RuntimeName
    device: Device
    score: Score
    ood: Statistics
    network: Callable[[], "MapNetwork"]
    """The float32 torch network on the CPU, evaluating, for gradients; loaded at the first call (imports torch)."""

    def ood_distance(self, features: NDArray[np.float32]) -> float:
        """Distance of one image's features (k,) from the training images', to compare with manifest.ood.threshold."""
        return distance(features, self.ood)


def read_manifest(directory: Path) -> BundleManifest:
    """triage.json of a bundle directory. Raises BundleError naming the first fault."""
    path = directory / MANIFEST
    try:
        manifest = BundleManifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BundleError(f"Bundle {directory.name}: {MANIFEST} cannot be read ({error.strerror}).") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"Bundle {directory.name}: {MANIFEST}, {place or 'file'}: {first['msg']}.") from error
    for fault in _faults(manifest):
        raise BundleError(f"Bundle {directory.name}: {MANIFEST}: {fault}.")
    return manifest


def _faults(manifest: BundleManifest) -> list[str]:
    """What a schema cannot say, in words; empty when all is well."""
    prepare, names = manifest.prepare, [finding.name for finding in manifest.findings]
    checks = [
        (manifest.format == 1, f"format {manifest.format} is not one this version reads (1)"),
        (manifest.network.name in CELLS, f"network {manifest.network.name!r} is not in the table ({', '.join(CELLS)})"),
        (bool(names), "it has no finding"),
        (len(set(names)) == len(names), "two findings have the same name"),
        (
            prepare.height > 0 and prepare.width > 0 and prepare.height % STRIDE == 0 == prepare.width % STRIDE,
            f"the input of {prepare.height} x {prepare.width} is not a multiple of {STRIDE} on both sides",
        ),
        (prepare.std > 0, "prepare.std is not above 0"),
        (prepare.channels > 0, "prepare.channels is not above 0"),
        (
            (prepare.values is Values.MODALITY) == bool(prepare.windows)
            and len(prepare.windows) in (0, prepare.channels)
            and all(width > 0 for _, width in prepare.windows),
            "modality values need one window with a width above 0 for each channel, display values none",
        ),
        (
            0 <= prepare.low_percentile < prepare.high_percentile <= 100,
            "the percentiles are not in order in 0..100",
        ),
    ]
    for finding in manifest.findings:
        evidence = finding.evidence
        in_order = 0 <= evidence.low <= evidence.auroc <= evidence.high <= 1
        checks.append((in_order, f"the interval around the AUROC of {finding.name} does not hold it"))
        own = finding.set_by_site is None
        checks.append((own, f"{finding.name} states set_by_site, which only a site's store may"))
    return [fault for good, fault in checks if not good]


def read_checked(directory: Path, name: str, sha256: str) -> bytes:
    """The bytes of a bundle's file. Raises BundleError when it is missing, lies outside or has another SHA-256."""
    path = (directory / name).resolve()
    if not path.is_relative_to(directory.resolve()):
        raise BundleError(f"Bundle {directory.name}: {name} points outside the bundle.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(f"Bundle {directory.name}: {name} cannot be read ({error.strerror}).") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise BundleError(
            f"Bundle {directory.name}: {name} is not the file of the manifest: "
            f"SHA-256 {found[:12]}... instead of {sha256[:12]}...; install the bundle again.",
            file=name,
            found=found,
            stated=sha256,
        )
    return content


def read_test_vector(directory: Path, manifest: BundleManifest) -> ReferencePass:
    """The stored input and outputs, as float32. Raises BundleError."""
    content = read_checked(directory, manifest.test_vector, manifest.test_vector_sha256)
    try:
        tensors = load_tensors(content)
        parts = [tensors[name].astype(np.float32) for name in ("input", "logits", "maps")]
    except (SafetensorError, KeyError) as error:
        raise BundleError(f"Bundle {directory.name}: {manifest.test_vector} has no {error}.") from error
    prepare = manifest.prepare
    if parts[0].shape[1:] != (prepare.channels, prepare.height, prepare.width):
        raise BundleError(f"Bundle {directory.name}: the test vector is {parts[0].shape}, not what prepare gives.")
    return ReferencePass(*parts)


def difference(scores: RawScores, vector: ReferencePass) -> float:
    """Largest difference of logits and maps from the vector's, over the larger of 1 and the largest value there."""
    pairs = ((scores.logits, vector.logits), (scores.maps, vector.maps))
    worst = 0.0
    for found, stated in pairs:
        if found.shape != stated.shape or not np.isfinite(found).all():
            return float("inf")
        worst = max(worst, float(np.abs(found - stated).max() / max(1.0, float(np.abs(stated).max()))))
    return worst


def load_bundle(
    directory: Path, cache: Path, runtime: RuntimeName, device: Device = "cpu", threads: int | None = None
) -> Bundle:
    """Check a bundle and open one runtime. `cache` holds the ONNX files, built when missing or stale.

    `threads` limits the runtime's threads (None: its own choice). A GPU computes in bfloat16 after float32 on the
    same device has given the test vector. Raises BundleError with the exact reason, also for a finding that claims
    more than evaluation.json shows for these weights.
    """
    manifest = read_manifest(directory)
    weights = read_checked(directory, manifest.network.weights, manifest.network.weights_sha256)
    statistics = _statistics(directory, manifest)
    vector = read_test_vector(directory, manifest)

    @functools.cache
    def network() -> "MapNetwork":
        from triage.models.runtime_torch import network_from

        return network_from(manifest, weights)

    score: Score
    if runtime == "onnx":
        from triage.models.runtime_onnx import open_onnx

        if device != "cpu":
            raise BundleError(f"Bundle {manifest.name}: ONNX Runtime scores on the CPU; use torch for {device}.")
        score = open_onnx(directory, manifest, vector, cache, threads)
    else:
        from triage.models.runtime_torch import open_torch

        score = open_torch(manifest, weights, vector, device, threads)
    _check_width(manifest, statistics, score(vector.input[:1]))
    check_evidence(directory, manifest)  # last: a damaged file is the plainer reason
    identity = BundleIdentity(
        name=manifest.name, version=manifest.version, weights_sha256=manifest.network.weights_sha256
    )
    return Bundle(manifest, identity, directory, runtime, device, score, statistics, network)


def verify_bundle(directory: Path, cache: Path) -> BundleManifest:
    """Every hash, the schema, the evidence, the test vector through every CPU runtime. Raises BundleError."""
    from triage.models.networks import TABLE

    for runtime in ("onnx", "torch"):
        manifest = load_bundle(directory, cache, runtime).manifest
    layer = TABLE[manifest.network.name].map_layer
    if manifest.network.map_layer != layer:
        raise BundleError(
            f"Bundle {directory.name}: map_layer {manifest.network.map_layer!r} is not the activation after the "
            f"network's last norm, {layer!r}."
        )
    return manifest


def _statistics(directory: Path, manifest: BundleManifest) -> Statistics:
    content = read_checked(directory, manifest.ood.statistics, manifest.ood.statistics_sha256)
    try:
        return read_statistics(content)
    except (SafetensorError, KeyError, ValueError) as error:
        raise BundleError(f"Bundle {directory.name}: {manifest.ood.statistics} cannot be used: {error}.") from error


def _check_width(manifest: BundleManifest, statistics: Statistics, scores: RawScores) -> None:
    if scores.logits.shape[1] != len(manifest.findings):
        raise BundleError(
            f"Bundle {manifest.name}: the network gives {scores.logits.shape[1]} outputs for "
            f"{len(manifest.findings)} findings."
        )
    if statistics.width != scores.features.shape[1]:
        raise BundleError(
            f"Bundle {manifest.name}: the out-of-distribution statistics hold {statistics.width} features, "
            f"the network gives {scores.features.shape[1]}."
        )
